//! The selection of steps: all, or those that the user named.

use std::fmt;

use super::step::{Group, Step};
use super::steps::GROUPS;

/// The steps that run. All of them if the user named none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection(Vec<String>);

/// The user named a group or a step that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownStep(String);

impl fmt::Display for UnknownStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no step {:?}; --list shows all steps", self.0)
    }
}

impl std::error::Error for UnknownStep {}

impl Selection {
    /// Selects groups such as `3`, and steps such as `3.4`.
    ///
    /// # Errors
    /// If one of them does not exist.
    pub fn new(ids: &[String]) -> Result<Selection, UnknownStep> {
        let exists =
            |id: &&String| GROUPS.iter().flat_map(Group::steps).any(|step| is_named(step, id));
        match ids.iter().find(|id| !exists(id)) {
            Some(id) => Err(UnknownStep(id.clone())),
            None => Ok(Selection(ids.to_vec())),
        }
    }

    /// The selected steps with their groups, in the order in which they run.
    pub fn steps(&self) -> impl Iterator<Item = (&'static Group, &'static Step)> {
        let all = GROUPS.iter().flat_map(|group| group.steps().map(move |step| (group, step)));
        all.filter(|(_, step)| self.0.is_empty() || self.0.iter().any(|id| is_named(step, id)))
    }
}

/// Whether `id` names the step, or its group.
fn is_named(step: &Step, id: &str) -> bool {
    step.id == id || step.id.split_once('.').is_some_and(|(group, _)| group == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_steps_can_be_selected() {
        let selected = |ids: &[&str]| -> Vec<&str> {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            let selection = Selection::new(&ids).expect("known steps");
            selection.steps().map(|(_, step)| step.id).collect()
        };
        assert_eq!(selected(&["3.1"]), ["3.1"]);
        assert_eq!(selected(&["4.2", "3.1"]), ["3.1", "4.2"]);
        assert_eq!(selected(&["3"]).len(), 10);
        assert_eq!(selected(&[]), selected(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]));
        for unknown in ["", "0", "10", "3.", "3.11", ".1", "x"] {
            assert!(Selection::new(&[unknown.to_owned()]).is_err(), "{unknown}");
        }
    }
}
