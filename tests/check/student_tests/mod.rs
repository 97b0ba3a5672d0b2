//! The student's servers, which the check is tested against: the correct one is correct, and each broken one has
//! the mistake that its name says, and no other.

mod connections;
mod exchange;
mod frames;
mod handshake;

use crate::common::student::Mistake::{self, *};
use crate::common::student::stages::Stage;

/// Each mistake is in one of the tables, or has a test of its own.
#[test]
fn every_mistake_is_proved() {
    let mut proved: Vec<Mistake> = handshake::wrong_responses().iter().map(|row| row.0).collect();
    proved.extend(handshake::REQUESTS.iter().map(|row| row.0));
    proved.extend(frames::rows().iter().map(|row| row.0));
    proved.extend([VersionNotTold, TcpLeftOpenAfterClose, FramesInPiecesLost]);
    proved.extend([OneClientAtATime, LostClientEndsServer, NeverAnswers]);
    for mistake in Mistake::ALL {
        assert_eq!(proved.iter().filter(|other| *other == mistake).count(), 1, "{mistake:?}");
    }
    let mut names: Vec<&str> = Mistake::ALL.iter().map(|mistake| mistake.name()).collect();
    names.extend(Stage::ALL.iter().map(|stage| stage.name()));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Mistake::ALL.len() + Stage::ALL.len());
}
