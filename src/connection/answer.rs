//! The answers to requests: a page, the statistics, what the lab page asks for, or a refusal.

use std::time::{Duration, Instant};

use ::http::Method;
use bytes::Bytes;
use crossbeam_channel::bounded;

use super::linger::linger_until;
use super::routes::Route;
use super::shared::Shared;
use super::{Connection, event_stream};
use crate::config::{ANSWER_RATE, ANSWER_TIMEOUT};
use crate::dispatcher::event::Event;
use crate::dispatcher::group::Service;
use crate::http::handshake::Handshake;
use crate::http::refusal::Refusal;
use crate::http::request::RequestHead;
use crate::http::response::Response;
use crate::lab::api::{self, Endpoint};
use crate::lab::run_violation::ThisServer;
use crate::sys::Asker;
use crate::sys::semaphore::Permit;

impl Connection {
    /// Answers every request but a handshake. For a handshake it takes a place among the open
    /// WebSockets.
    #[inline(never)]
    pub(super) fn answer_request(
        &self,
        route: Route,
        head: &RequestHead,
    ) -> Result<Option<(Service, Handshake, Permit)>, Refusal> {
        let Shared { config, memory, clients, watchers, access, .. } = &*self.shared;
        match route {
            Route::WebSocket(service, handshake) => {
                if memory.is_exhausted() {
                    return Err(Refusal::OutOfMemory);
                }
                let full = Refusal::TooManyClients(config.max_clients);
                let place = clients.try_acquire().ok_or(full)?;
                self.begin()?;
                return Ok(Some((service, handshake, place)));
            }
            Route::WireEvents if Method::HEAD == *head.method => {
                self.answer(Response::event_stream(), Some(head));
            }
            Route::WireEvents => {
                let _place = watchers.take(self.peer.ip())?;
                self.begin()?;
                self.send_wire_events(access.asker(head));
            }
            // Pages and what they ask for do not appear in the wire view: it would show itself.
            Route::Page(response) => {
                log::debug!("{self} {head} -> 200");
                self.answer(response, Some(head));
            }
            Route::Stats => self.answer(self.stats(&access.asker(head))?, Some(head)),
            Route::Lab(endpoint) => {
                let response = self.lab(endpoint, head);
                self.answer(response, Some(head));
            }
        }
        Ok(None)
    }

    /// Marks the request as accepted, unless the server is shutting down.
    fn begin(&self) -> Result<(), Refusal> {
        let may_begin = self.registration.handshake_done(&self.outbox);
        may_begin.then_some(()).ok_or(Refusal::ShuttingDown)
    }

    /// Refuses a request, or bytes that are not one.
    #[inline(never)]
    pub(super) fn refuse(&self, bytes: &[u8], head: Option<&RequestHead>, refusal: &Refusal) {
        let response = refusal.response();
        let line = response.line();
        let asked = head.map(|head| format!("{head} "));
        log::info!("{self} {}-> {line}", asked.unwrap_or_default());
        self.tap.request(Bytes::copy_from_slice(bytes));
        self.tap.response(response.encode().swap_remove(0), refusal.broken_rule());
        // When the head is not complete, its method is known all the same.
        let is_head = head.is_none() && bytes.trim_ascii_start().starts_with(b"HEAD ");
        let response = if is_head { response.without_body() } else { response };
        self.answer(response, head);
        self.tap.end(&format!("refused: {line}"));
    }

    /// Sends an answer, without its body if the request is a HEAD, and lingers so that it arrives.
    fn answer(&self, response: Response, head: Option<&RequestHead>) {
        let is_head = head.is_some_and(|head| Method::HEAD == *head.method);
        let response = if is_head { response.without_body() } else { response };
        let pieces = response.encode();
        let length: usize = pieces.iter().map(Bytes::len).sum();
        self.outbox.send_final(&pieces);
        if self.outbox.wait_until_over(Instant::now()) {
            self.registration.answered();
        }
        // A deadline for the whole answer. A peer that takes a byte now and then would otherwise keep the
        // answer in memory, and its place among the handshakes, for as long as it likes.
        let time = ANSWER_TIMEOUT + Duration::from_secs((length / ANSWER_RATE) as u64);
        linger_until(Instant::now() + time, &self.socket, &self.outbox);
    }

    /// Sends what crosses the wire, until the page leaves or the server shuts down.
    #[inline(never)]
    fn send_wire_events(&self, asker: Asker) {
        let Shared { watch_list, run, .. } = &*self.shared;
        if event_stream::send_events(&self.socket, &self.outbox, watch_list, asker, run) {
            self.outbox.send_final(&[]);
            linger_until(Instant::now() + ANSWER_TIMEOUT, &self.socket, &self.outbox);
        }
    }

    /// Answers a request to the lab API.
    #[inline(never)]
    fn lab(&self, endpoint: Endpoint, head: &RequestHead) -> Response {
        let Shared { access, address, origins, events, .. } = &*self.shared;
        let asker = access.asker(head);
        let server =
            ThisServer { address: *address, origin: origins.one_allowed(), tab: asker.tab };
        api::answer(endpoint, head, &asker, access.wire_for, &server, events)
    }

    #[inline(never)]
    fn stats(&self, asker: &Asker) -> Result<Response, Refusal> {
        let (reply, snapshot) = bounded(1);
        self.shared.events.send(Event::Stats(reply)).ok();
        let stats = snapshot.recv_timeout(ANSWER_TIMEOUT).map_err(|_| Refusal::Busy)?;
        let json = serde_json::to_vec(&stats.seen_by(asker)).map_err(|_| Refusal::Busy)?;
        Ok(Response::ok("application/json", json.into()))
    }
}
