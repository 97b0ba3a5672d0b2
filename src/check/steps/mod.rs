//! The steps of the check, a file for each group.

pub(crate) mod broken_rules;
pub(crate) mod closing;
pub(crate) mod echo;
pub(crate) mod fragments;
pub(crate) mod handshake;
pub(crate) mod refusals;
pub(crate) mod tcp;
