//! The subprotocol `classroom.v1`: members of a room have names, speak to all, and whisper to one.
//! Each message is a JSON text. This file knows neither sockets nor threads: requests go in, and
//! texts for members come out.

use serde::{Deserialize, Serialize};

use super::member_name;
use crate::config::{MAX_CLASSROOM_MESSAGE, MAX_MEMBER_NAME, REFUSAL_LENGTH};
use crate::sys::ConnectionId;

/// A request of a client.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Request {
    /// Take part under a name. A client sends this first, and once.
    Join {
        /// 1 to 32 characters that can be seen. No other member may have a name that looks like it.
        name: String,
    },
    /// Speak to all members.
    Say {
        /// The words.
        text: String,
    },
    /// Speak to one member.
    Whisper {
        /// The name of that member.
        to: String,
        /// The words.
        text: String,
    },
}

/// A message from the server to members.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Notice<'a> {
    Welcome { room: &'a str, you: &'a str, members: Vec<&'a str> },
    Joined { name: &'a str },
    Left { name: &'a str },
    Said { from: &'a str, text: &'a str },
    Whispered { from: &'a str, to: &'a str, text: &'a str },
    Refused { reason: &'a str },
}

/// A text message for some of the clients.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Their connections.
    pub to: Vec<ConnectionId>,
    /// The message, as JSON.
    pub text: String,
}

/// Parses a request, and checks all that can be checked without knowing the room. The client's own thread does this,
/// so that a useless request delays its sender and not the dispatcher.
///
/// # Errors
/// When `text` is not a request, or one that no room can grant; the error is a sentence for the client.
pub fn parse(text: &str) -> Result<Request, String> {
    if text.len() > MAX_CLASSROOM_MESSAGE {
        return Err(format!("a message may have at most {MAX_CLASSROOM_MESSAGE} bytes here"));
    }
    let request = serde_json::from_str(text).map_err(|error| not_a_request(&error.to_string()))?;
    match request {
        Request::Join { name } => {
            Ok(Request::Join { name: member_name::checked(&name)?.to_owned() })
        }
        // Not repeated, because that would make a long answer out of a long name.
        Request::Whisper { to, .. } if member_name::is_too_long(&to) => {
            Err(format!("nobody here has a name of more than {MAX_MEMBER_NAME} characters"))
        }
        other => Ok(other),
    }
}

/// Says why a message is not a request. Errors of serde_json repeat parts of the message, so they may be long.
fn not_a_request(error: &str) -> String {
    let dots = if error.chars().nth(REFUSAL_LENGTH).is_some() { "..." } else { "" };
    let start: String = error.chars().take(REFUSAL_LENGTH).collect();
    format!("not a classroom.v1 message: {start}{dots}")
}

/// One room and its members.
#[derive(Debug)]
pub struct Classroom {
    room: String,
    /// The clients that have joined, in the order in which they joined.
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    client: ConnectionId,
    name: String,
    /// The same for all names that look like this one.
    skeleton: String,
}

impl Classroom {
    /// Creates an empty room with this name.
    pub fn new(room: &str) -> Classroom {
        Classroom { room: room.to_owned(), members: Vec::new() }
    }

    /// Does what a client asks for, or refuses it and says why. A refusal does not close the
    /// connection.
    pub fn take(
        &mut self,
        client: ConnectionId,
        request: Result<Request, String>,
    ) -> Vec<Delivery> {
        match request.and_then(|request| self.grant(client, request)) {
            Ok(deliveries) => deliveries,
            Err(reason) => vec![delivery(vec![client], &Notice::Refused { reason: &reason })],
        }
    }

    fn grant(&mut self, client: ConnectionId, request: Request) -> Result<Vec<Delivery>, String> {
        let me = self.name_of(client);
        match (request, me) {
            (Request::Join { name }, None) => self.join(client, &name),
            (Request::Join { .. }, Some(me)) => Err(format!("you have joined already, as {me}")),
            (_, None) => Err("join first: {\"type\":\"join\",\"name\":\"Ana\"}".to_owned()),
            (Request::Say { text }, Some(me)) => {
                Ok(vec![delivery(self.everyone(), &Notice::Said { from: me, text: &text })])
            }
            (Request::Whisper { to, text }, Some(me)) => {
                let Some(other) = self.members.iter().find(|member| member.name == to) else {
                    return Err(format!("nobody here is called {to:?}"));
                };
                let other = other.client;
                let both = if other == client { vec![client] } else { vec![other, client] };
                Ok(vec![delivery(both, &Notice::Whispered { from: me, to: &to, text: &text })])
            }
        }
    }

    /// Lets a client in under a name that [`parse`] has checked.
    fn join(&mut self, client: ConnectionId, name: &str) -> Result<Vec<Delivery>, String> {
        let skeleton = member_name::skeleton_of(name);
        if let Some(taken) = self.members.iter().find(|member| member.skeleton == skeleton) {
            return Err(if taken.name == name {
                format!("{name} is here already")
            } else {
                format!("{name} looks like {}, who is here already", taken.name)
            });
        }
        let others = self.everyone();
        self.members.push(Member { client, name: name.to_owned(), skeleton });
        let members = self.members.iter().map(|member| member.name.as_str()).collect();
        let welcome = Notice::Welcome { room: &self.room, you: name, members };
        Ok(vec![delivery(vec![client], &welcome), delivery(others, &Notice::Joined { name })])
    }

    /// Removes a client that has left. If it was a member, the result tells the others.
    pub fn leave(&mut self, client: ConnectionId) -> Option<Delivery> {
        let at = self.members.iter().position(|member| member.client == client)?;
        let Member { name, .. } = self.members.remove(at);
        Some(delivery(self.everyone(), &Notice::Left { name: &name }))
    }

    fn name_of(&self, client: ConnectionId) -> Option<&str> {
        let found = self.members.iter().find(|member| member.client == client);
        found.map(|member| member.name.as_str())
    }

    fn everyone(&self) -> Vec<ConnectionId> {
        self.members.iter().map(|member| member.client).collect()
    }
}

fn delivery(to: Vec<ConnectionId>, notice: &Notice<'_>) -> Delivery {
    let text = serde_json::to_string(notice).expect("strings and lists of strings are JSON");
    Delivery { to, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the receivers and the text of each delivery.
    fn readable(deliveries: Vec<Delivery>) -> Vec<(Vec<u64>, String)> {
        let numbers = |to: Vec<ConnectionId>| to.iter().map(|client| client.0).collect();
        deliveries.into_iter().map(|d| (numbers(d.to), d.text)).collect()
    }

    fn ask(room: &mut Classroom, client: u64, text: &str) -> Vec<(Vec<u64>, String)> {
        readable(room.take(ConnectionId(client), parse(text)))
    }

    fn blue_with_ana_and_ben() -> Classroom {
        let mut room = Classroom::new("blue");
        ask(&mut room, 1, r#"{"type":"join","name":"Ana"}"#);
        ask(&mut room, 2, r#"{"type":"join","name":"Ben"}"#);
        room
    }

    #[test]
    fn a_member_that_joins_is_welcomed_and_the_others_are_told() {
        let mut room = Classroom::new("blue");
        ask(&mut room, 1, r#"{"type":"join","name":"Ana"}"#);
        let welcome = r#"{"type":"welcome","room":"blue","you":"Ben","members":["Ana","Ben"]}"#;
        assert_eq!(
            ask(&mut room, 2, r#"{"type":"join","name":" Ben "}"#),
            [
                (vec![2], welcome.to_owned()),
                (vec![1], r#"{"type":"joined","name":"Ben"}"#.to_owned())
            ]
        );
    }

    #[test]
    fn all_hear_what_is_said_and_two_hear_a_whisper() {
        let mut room = blue_with_ana_and_ben();
        assert_eq!(
            ask(&mut room, 1, r#"{"type":"say","text":"你好 \"all\""}"#),
            [(vec![1, 2], r#"{"type":"said","from":"Ana","text":"你好 \"all\""}"#.to_owned())]
        );
        let whispered = r#"{"type":"whispered","from":"Ana","to":"Ben","text":"psst"}"#;
        assert_eq!(
            ask(&mut room, 1, r#"{"type":"whisper","to":"Ben","text":"psst"}"#),
            [(vec![2, 1], whispered.to_owned())]
        );
        let to_herself = ask(&mut room, 1, r#"{"type":"whisper","to":"Ana","text":"hm"}"#);
        assert_eq!(to_herself[0].0, [1]);
    }

    #[test]
    fn when_a_member_leaves_the_others_are_told_and_its_name_is_free() {
        let mut room = blue_with_ana_and_ben();
        let left = room.leave(ConnectionId(1)).expect("she had joined");
        assert_eq!(
            (left.to, &*left.text),
            (vec![ConnectionId(2)], r#"{"type":"left","name":"Ana"}"#)
        );
        assert_eq!(room.leave(ConnectionId(1)), None);
        let again = ask(&mut room, 3, r#"{"type":"join","name":"Ana"}"#);
        assert!(again[0].1.contains(r#""members":["Ben","Ana"]"#));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri a minute")]
    fn a_refusal_is_short_however_long_the_message_is() {
        let mut room = blue_with_ana_and_ben();
        let long = "\x7f".repeat(4_000);
        for text in [
            format!(r#"{{"type":"whisper","to":"{long}","text":"?"}}"#),
            format!(r#"{{"type":"{long}"}}"#),
            format!(r#"{{"type":"join","name":"{long}"}}"#),
            format!(r#"{{"{long}":1}}"#),
            format!(r#""{long}""#),
            "\x7f".repeat(60_000),
        ] {
            for client in [1, 3] {
                let answer = &ask(&mut room, client, &text)[0].1;
                assert!(answer.starts_with(r#"{"type":"refused""#), "{answer}");
                assert!(answer.len() < 2_000, "{} bytes: {answer}", answer.len());
            }
        }
    }

    #[test]
    fn a_name_of_another_script_is_allowed_where_nobody_looks_like_it() {
        let mut room = Classroom::new("blue");
        for (client, name) in [(1, "Теа"), (2, "Аня"), (3, "Oana"), (4, "李")] {
            let join = format!(r#"{{"type":"join","name":"{name}"}}"#);
            assert!(ask(&mut room, client, &join)[0].1.contains("welcome"), "{name}");
        }
        let latin = ask(&mut room, 5, r#"{"type":"join","name":"Tea"}"#);
        assert!(latin[0].1.contains("Tea looks like Теа, who is here already"), "{latin:?}");
        // When the member has left, the other may come.
        room.leave(ConnectionId(1));
        assert!(ask(&mut room, 5, r#"{"type":"join","name":"Tea"}"#)[0].1.contains("welcome"));
    }

    #[test]
    fn a_refusal_gives_the_reason() {
        let mut room = blue_with_ana_and_ben();
        for (client, text, reason) in [
            (3, r#"{"type":"say","text":"hi"}"#, "join first"),
            (3, r#"{"type":"join","name":"Ana"}"#, "Ana is here already"),
            (3, r#"{"type":"join","name":"   "}"#, "1 to 32 characters"),
            (3, r#"{"type":"join","name":"a\u001b[2J"}"#, "control characters"),
            (3, r#"{"type":"join","name":"Ana\u200b"}"#, "invisible characters"),
            (3, r#"{"type":"join","name":"Аnа"}"#, "Аnа looks like Ana, who is here already"),
            (3, r#"{"type":"join"}"#, "missing field `name`"),
            (1, r#"{"type":"join","name":"Eve"}"#, "joined already, as Ana"),
            (1, r#"{"type":"whisper","to":"Zoe","text":"?"}"#, r#"nobody here is called \"Zoe\""#),
            (1, r#"{"type":"shout","text":"?"}"#, "unknown variant `shout`"),
            (1, "hello", "not a classroom.v1 message"),
            (1, &"[".repeat(4_000), "not a classroom.v1 message"),
            (1, &" ".repeat(MAX_CLASSROOM_MESSAGE + 1), "at most 4096 bytes"),
        ] {
            let deliveries = ask(&mut room, client, text);
            assert_eq!(deliveries.len(), 1);
            let (to, answer) = &deliveries[0];
            assert_eq!(to, &[client]);
            assert!(answer.starts_with(r#"{"type":"refused","reason":""#), "{answer}");
            assert!(answer.contains(reason), "{answer} should say {reason}");
        }
    }
}
