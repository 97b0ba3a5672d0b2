//! The words for a send: who caused the bytes, whether the outbox accepted them, and why a connection
//! was aborted.

/// The client, or clients, whose messages cause bytes to be sent to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The client itself: its echo, or an answer to it. When many of these bytes are unsent, the
    /// server stops reading from the client.
    Own,
    /// Other clients. When many of these bytes are unsent, the client is dropped, because it reads
    /// too slowly for its group.
    Others,
}

/// The answer of [`Outbox::send`](crate::outbox::Outbox::send).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// They have left, or they will as soon as the client reads.
    Accepted,
    /// Refused, because too many bytes that others caused are unsent already.
    BacklogFull,
    /// Refused, because a Close frame has been sent or the connection is gone.
    Closed,
}

/// The reason why this side aborted a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortReason {
    /// Too many bytes that others caused were unsent.
    TooSlow,
    /// The client did not answer a Ping, and a Close frame could not reach it because of the bytes
    /// before it.
    NoPong,
    /// The memory for messages is used up, and the client has the largest part of it.
    OutOfMemory,
    /// The client did not answer a Close, or did not read its last bytes, in time.
    CloseTimeout,
    /// A write failed, so the connection is lost.
    Lost,
    /// The client reads slowly, and the system has no memory to wait for its socket, or no thread.
    CannotDrain,
}
