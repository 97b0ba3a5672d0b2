//! The subprotocol `classroom.v1`.

use std::collections::BTreeMap;

use chalkwire::dispatcher::classroom::{Classroom, Delivery, parse};
use chalkwire::sys::ConnectionId;
use serde_json::Value;

/// Bytes of a text that members get in addition to the request that caused it: the names of all members,
/// or the reason of a refusal.
const BESIDE_THE_REQUEST: usize = 4096;

/// Each line of `bytes` is a request: its first byte chooses one of four clients, and the rest is the text.
/// An empty text means that the client leaves. Only members get texts, and a client that is not allowed to
/// do something gets one refusal, which nobody else sees.
pub fn classroom(bytes: &[u8]) {
    let mut room = Classroom::new("blue");
    let mut members: BTreeMap<ConnectionId, String> = BTreeMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some((&who, text)) = line.split_first() else { continue };
        let client = ConnectionId(u64::from(who % 4));
        // A text message that is not UTF-8 does not reach the classroom.
        let Ok(text) = std::str::from_utf8(text) else { continue };
        if text.is_empty() {
            let was_member = members.remove(&client);
            let left = room.leave(client);
            assert_eq!(left.is_some(), was_member.is_some());
            if let (Some(left), Some(name)) = (left, was_member) {
                assert!(left.to.iter().eq(members.keys()) || is_same_set(&left, &members));
                assert_eq!(json(&left), serde_json::json!({ "type": "left", "name": name }));
            }
            continue;
        }
        for delivery in room.take(client, parse(text)) {
            check(&delivery, client, text, &mut members);
        }
    }
}

fn json(delivery: &Delivery) -> Value {
    serde_json::from_str(&delivery.text).expect("a delivery is JSON")
}

fn is_same_set(delivery: &Delivery, members: &BTreeMap<ConnectionId, String>) -> bool {
    let mut to = delivery.to.clone();
    to.sort();
    to.iter().eq(members.keys())
}

/// Checks one text that follows from the `request` of `client`.
fn check(
    delivery: &Delivery,
    client: ConnectionId,
    request: &str,
    members: &mut BTreeMap<ConnectionId, String>,
) {
    let length = delivery.text.len();
    // A character of the request can become an escape sequence of the reason, and that a JSON string.
    assert!(length <= 4 * request.len() + BESIDE_THE_REQUEST, "{length} bytes for {request:?}");
    let notice = json(delivery);
    let field = |name: &str| notice[name].as_str().unwrap_or_else(|| panic!("{notice}")).to_owned();
    let asked: Value = serde_json::from_str(request).unwrap_or_default();
    match field("type").as_str() {
        "refused" => assert!(delivery.to == [client] && !field("reason").is_empty()),
        "welcome" => {
            let name = field("you");
            assert_eq!(delivery.to, [client]);
            assert!((1..=32).contains(&name.chars().count()), "{name:?}");
            assert!(!name.contains(char::is_control), "{name:?}");
            assert!(members.values().all(|other| *other != name), "{name:?} is here twice");
            assert_eq!(members.insert(client, name), None);
            assert_eq!(notice["members"].as_array().map(Vec::len), Some(members.len()));
        }
        "joined" => {
            assert_eq!(members.get(&client), Some(&field("name")));
            let mut others = members.clone();
            others.remove(&client);
            assert!(is_same_set(delivery, &others));
        }
        "said" => {
            assert!(is_same_set(delivery, members));
            assert_eq!(members.get(&client), Some(&field("from")));
            assert_eq!(notice["text"], asked["text"]);
        }
        "whispered" => {
            assert_eq!(members.get(&client), Some(&field("from")));
            let both = |id: &ConnectionId| *id == client || members.get(id) == Some(&field("to"));
            assert!(delivery.to.len() <= 2 && delivery.to.iter().all(both), "{delivery:?}");
            assert_eq!(notice["text"], asked["text"]);
        }
        other => panic!("{other:?} is not a notice"),
    }
}
