//! Properties that hold for any bytes. The property tests and the fuzzers try to prove them wrong.

mod classroom;
mod frames;
mod head;
mod lab;
mod read_path;
mod response;
mod view;

pub use classroom::classroom;
pub use frames::frame;
pub use head::head;
pub use lab::lab;
pub use read_path::read_path;
pub use response::response;
pub use view::view;
