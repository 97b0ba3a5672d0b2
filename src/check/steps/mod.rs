//! The steps, in nine groups. Each file has a list, `STEPS`, and below it the functions that run them.
//!
//! | steps | file | what they test |
//! |---|---|---|
//! | 1.1 to 1.7 | `handshake` | the response to a correct opening handshake |
//! | 1.8 to 1.14 | `offers` | requests that look different, or offer more |
//! | 1.15 to 1.25 | `refusals` | requests that the server must refuse |
//! | 2 | `echo` | masking, opcodes, the order of messages |
//! | 3 | `lengths` | lengths in 7, 16 and 64 bits |
//! | 4 | `fragments` | messages in several frames |
//! | 5 | `ping_pong` | Pings and their Pongs |
//! | 6 | `broken_rules` | frames that the server must refuse |
//! | 7 | `utf8` | text, also when it is split between fragments |
//! | 8.1 to 8.8 | `closing` | the closing handshake, and the end of TCP |
//! | 8.9 to 8.13 | `bad_closes` | Close frames that the server must refuse |
//! | 9.1 to 9.6 | `tcp` | bytes that TCP cuts anywhere |
//! | 9.7 to 9.12 | `many_clients` | clients that must not harm each other |

mod bad_closes;
mod broken_rules;
mod closing;
mod echo;
mod fragments;
mod handshake;
mod lengths;
mod many_clients;
mod offers;
mod ping_pong;
mod refusals;
mod tcp;
mod utf8;

use super::step::{Group, Step};

/// All groups, in the order in which they run.
pub static GROUPS: [Group; 9] = [
    Group {
        number: "1",
        title: "Opening handshake",
        rfc: "4",
        tutorial: "03_handshake.md",
        parts: &[handshake::STEPS, offers::STEPS, refusals::STEPS],
    },
    Group {
        number: "2",
        title: "Echo and masking",
        rfc: "5.3",
        tutorial: "04_frames.md",
        parts: &[echo::STEPS],
    },
    Group {
        number: "3",
        title: "Lengths",
        rfc: "5.2",
        tutorial: "04_frames.md",
        parts: &[lengths::STEPS],
    },
    Group {
        number: "4",
        title: "Fragments",
        rfc: "5.4",
        tutorial: "10_binary_and_fragments.md",
        parts: &[fragments::STEPS],
    },
    Group {
        number: "5",
        title: "Ping and Pong",
        rfc: "5.5.2",
        tutorial: "11_heartbeat.md",
        parts: &[ping_pong::STEPS],
    },
    Group {
        number: "6",
        title: "Broken rules",
        rfc: "5",
        tutorial: "14_hostile_clients.md",
        parts: &[broken_rules::STEPS],
    },
    Group {
        number: "7",
        title: "UTF-8",
        rfc: "8.1",
        tutorial: "10_binary_and_fragments.md",
        parts: &[utf8::STEPS],
    },
    Group {
        number: "8",
        title: "Closing",
        rfc: "7",
        tutorial: "12_closing.md",
        parts: &[closing::STEPS, bad_closes::STEPS],
    },
    Group {
        number: "9",
        title: "TCP and other clients",
        rfc: "-",
        tutorial: "02_tcp_echo.md",
        parts: &[tcp::STEPS, many_clients::STEPS],
    },
];

/// The step with the number `id`, such as `3.4`.
pub fn find(id: &str) -> Option<&'static Step> {
    GROUPS.iter().flat_map(Group::steps).find(|step| step.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::step::Needs;

    #[test]
    fn the_steps_are_numbered_and_need_only_earlier_ones() {
        let mut earlier = Vec::new();
        for group in &GROUPS {
            for (position, step) in group.steps().enumerate() {
                assert_eq!(step.id, format!("{}.{}", group.number, position + 1));
                assert!(step.title.len() <= 58, "{}", step.title);
                let needed: &[&str] = match &step.needs {
                    Needs::Passed(id) => std::slice::from_ref(id),
                    Needs::Echo(ids) => ids,
                    Needs::Nothing | Needs::Probe => &[],
                };
                for id in needed {
                    assert!(earlier.contains(id), "{} needs {id}", step.id);
                }
                earlier.push(step.id);
            }
        }
        assert_eq!(earlier.len(), 108);
    }

    /// The RFCs say nothing about the steps in which one client harms another.
    #[test]
    fn every_step_but_those_about_other_clients_quotes_its_rule() {
        for step in GROUPS.iter().flat_map(Group::steps) {
            let number = step.id.strip_prefix("9.").and_then(|number| number.parse().ok());
            let is_about_others = number.is_some_and(|number: u8| number >= 7);
            assert_eq!(step.rule.is_none(), is_about_others, "{}", step.id);
        }
    }
}
