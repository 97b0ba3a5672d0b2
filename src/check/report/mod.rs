//! The results: as text in 80 columns, as JSON, and the list of all steps.

mod json;
mod list;
mod shown;
mod summary;
mod text;

pub use json::json;
pub use list::list;
pub use text::TextReport;
