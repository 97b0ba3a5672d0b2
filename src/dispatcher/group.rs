//! What a WebSocket is connected to.

use std::fmt;

/// The subprotocol spoken in rooms by clients that ask for it.
pub const CLASSROOM: &str = "classroom.v1";

/// What a WebSocket at some path is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Service {
    /// Each message goes back to its sender.
    Echo(EchoAt),
    /// Each message goes to all members of the group, the sender too.
    Group(Group),
}

/// The two paths where messages come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EchoAt {
    /// `/`, with `--mode echo`.
    Root,
    /// `/echo`.
    Echo,
}

/// Clients who hear each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Group {
    /// All at `/`, with `--mode broadcast`.
    Root,
    /// All at `/broadcast`.
    Broadcast,
    /// All in the room of this name that speak no subprotocol.
    Room(String),
    /// All in the room of this name that speak `classroom.v1`. They would not understand the
    /// others, nor be understood.
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

    /// The path as the statistics count it: all rooms together, or the table could grow without end.
    pub fn counted_as(&self) -> &'static str {
        match self {
            Service::Echo(EchoAt::Root) | Service::Group(Group::Root) => "/",
            Service::Echo(EchoAt::Echo) => "/echo",
            Service::Group(Group::Broadcast) => "/broadcast",
            Service::Group(Group::Room(_) | Group::Classroom(_)) => "/room",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A peer's own words: escaped, so that they cannot disguise themselves in a log.
            Service::Group(Group::Room(name)) => write!(f, "/room/{}", name.escape_debug()),
            Service::Group(Group::Classroom(name)) => {
                write!(f, "/room/{} ({CLASSROOM})", name.escape_debug())
            }
            other => f.write_str(other.counted_as()),
        }
    }
}
