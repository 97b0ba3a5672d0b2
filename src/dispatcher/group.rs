//! The services that a WebSocket can be connected to: an echo, or a group of clients.

use std::fmt;

/// The subprotocol of rooms, for clients that ask for it (RFC 6455 section 1.9).
pub const CLASSROOM: &str = "classroom.v1";

/// The service that a WebSocket is connected to, by the path of its handshake.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Service {
    /// Each message goes back to its sender.
    Echo(EchoAt),
    /// Each message goes to all members of the group, including the sender.
    Group(Group),
}

/// The two paths of the echo service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EchoAt {
    /// `/`, with `--mode echo`.
    Root,
    /// `/echo`.
    Echo,
}

/// A group of clients that get each other's messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Group {
    /// All clients at `/`, with `--mode broadcast`.
    Root,
    /// All clients at `/broadcast`.
    Broadcast,
    /// All clients in the room of this name that use no subprotocol.
    Room(String),
    /// All clients in the room of this name that use `classroom.v1`. They are a group of their own,
    /// because the others in the room would not understand their messages.
    Classroom(String),
}

impl Service {
    /// The subprotocols that are spoken here.
    pub fn subprotocols(&self) -> &'static [&'static str] {
        match self {
            Service::Group(Group::Room(_)) => &[CLASSROOM],
            _ => &[],
        }
    }

    /// The service for a client with which this subprotocol was agreed on.
    pub fn speaking(self, subprotocol: Option<&str>) -> Service {
        match self {
            Service::Group(Group::Room(name)) if subprotocol == Some(CLASSROOM) => {
                Service::Group(Group::Classroom(name))
            }
            other => other,
        }
    }

    /// The path under which the statistics count it.
    pub fn counted_as(&self) -> &'static str {
        match self {
            Service::Echo(EchoAt::Root) => "/",
            Service::Echo(EchoAt::Echo) => "/echo",
            Service::Group(group) => group.counted_as(),
        }
    }
}

impl Group {
    /// The path under which the statistics count it. All rooms count together, because clients
    /// choose their names and the table must not grow without end.
    pub fn counted_as(&self) -> &'static str {
        match self {
            Group::Root => "/",
            Group::Broadcast => "/broadcast",
            Group::Room(_) | Group::Classroom(_) => "/room",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A client chose this name. Escaped, it cannot forge a line of the log.
            Service::Group(Group::Room(name)) => write!(f, "/room/{}", name.escape_debug()),
            Service::Group(Group::Classroom(name)) => {
                write!(f, "/room/{} ({CLASSROOM})", name.escape_debug())
            }
            other => f.write_str(other.counted_as()),
        }
    }
}
