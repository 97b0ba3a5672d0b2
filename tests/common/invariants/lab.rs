//! The lab API: queries in which a page asks the server to compute something.

use chalkwire::config::WireFor;
use chalkwire::http::request::{HeadResult, RequestHead, parse_head};
use chalkwire::http::response::Response;
use chalkwire::lab::api::{self, Endpoint};
use chalkwire::lab::run_violation::ThisServer;
use chalkwire::sys::Asker;
use chalkwire::wire::explain::{bytes_in, masking_key_in};

use super::head::expect_one_line;

/// Bytes of the longest answer that the server computes.
const MAX_ANSWER: usize = 256 * 1024;

/// Each endpoint that computes answers any query with JSON of a bounded length, or with one line that says why
/// it does not.
pub fn lab(query: &[u8]) {
    for path in ["/wire/explain", "/wire/frame", "/wire/accept"] {
        let request = [b"GET ", path.as_bytes(), b"?", query, b" HTTP/1.1\r\nHost: a\r\n\r\n"];
        let Some(HeadResult::Head(head, _)) = parse_head(&request.concat(), usize::MAX) else {
            return;
        };
        let Some(endpoint) = Endpoint::find(&head.path) else { return };
        let response = answer(endpoint, &head);
        if response.status.is_success() {
            let body = response.encode().concat();
            let start = body.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
            assert!(body.len() - start <= MAX_ANSWER, "{} bytes at {path}", body.len() - start);
            serde_json::from_slice::<serde_json::Value>(&body[start..]).expect("JSON");
        } else {
            assert_eq!(response.status.as_u16(), 400);
            expect_one_line(&response);
        }
    }
    let Ok(text) = std::str::from_utf8(query) else { return };
    if let Ok(bytes) = bytes_in(text) {
        assert!(bytes.len() <= text.len(), "each byte has two digits");
        assert_eq!(masking_key_in(text).is_ok(), bytes.len() == 4);
    }
}

/// None of the three endpoints looks at the asker or needs the dispatcher.
fn answer(endpoint: Endpoint, head: &RequestHead) -> Response {
    let server = ThisServer::at(([127, 0, 0, 1], 1).into());
    let (events, _) = crossbeam_channel::bounded(1);
    api::answer(endpoint, head, &Asker::default(), WireFor::Own, &server, &events)
}
