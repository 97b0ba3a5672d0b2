//! Who is still there: signs of liveness, Pings to the silent, and when somebody is given up.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::config::Config;
use crate::outbox::Outbox;

/// When a client is asked for a sign of liveness, and given up.
pub struct Heartbeat {
    interval: Option<Duration>,
    /// How long it may stay silent after a Ping.
    pub pong_timeout: Duration,
    /// How long it may leave a Close unanswered.
    pub close_timeout: Duration,
    /// Time between two looks at all clients.
    pub check_interval: Duration,
}

impl Heartbeat {
    /// As the configuration says.
    pub fn new(config: &Config) -> Heartbeat {
        let shortest = config
            .ping_interval
            .unwrap_or(config.close_timeout)
            .min(config.pong_timeout)
            .min(config.close_timeout);
        Heartbeat {
            interval: config.ping_interval,
            pong_timeout: config.pong_timeout,
            close_timeout: config.close_timeout,
            // A timeout is noticed an eighth of it late at most.
            check_interval: (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(1)),
        }
    }
}

/// What a look at a client says.
pub enum Verdict {
    /// It lives, or may take its time.
    Alive,
    /// It has been silent: it gets a Ping that carries this.
    SendPing(Bytes),
    /// It has not answered that either.
    TimedOut,
}

/// Signs of liveness from one client. Any byte is one: reading it costs the client's thread no clock,
/// the dispatcher sees only that the count has grown since it last looked.
pub struct Liveness {
    bytes_in_seen: u64,
    bytes_out_seen: u64,
    heard_at: Instant,
    /// Pings sent; the number of the last is what it carries.
    pings: u64,
    ping_sent_at: Option<Instant>,
    /// Nothing has been heard since the last Ping.
    awaiting_pong: bool,
    /// Between the last Ping that was answered and its Pong.
    pub round_trip: Option<Duration>,
}

impl Liveness {
    /// Of a client that has come just now.
    pub fn new(now: Instant) -> Liveness {
        Liveness {
            bytes_in_seen: 0,
            bytes_out_seen: 0,
            heard_at: now,
            pings: 0,
            ping_sent_at: None,
            awaiting_pong: false,
            round_trip: None,
        }
    }

    /// Looks whether the client has shown liveness since the last time.
    pub fn look(
        &mut self,
        now: Instant,
        bytes_in: u64,
        outbox: &Outbox,
        heartbeat: &Heartbeat,
    ) -> Verdict {
        let Some(interval) = heartbeat.interval else { return Verdict::Alive };
        self.note(now, bytes_in, outbox);
        match self.ping_sent_at.filter(|_| self.awaiting_pong) {
            Some(sent_at) if now - sent_at >= heartbeat.pong_timeout => Verdict::TimedOut,
            None if now - self.heard_at >= interval => {
                self.pings += 1;
                self.ping_sent_at = Some(now);
                self.awaiting_pong = true;
                Verdict::SendPing(Bytes::from(self.pings.to_string()))
            }
            _ => Verdict::Alive,
        }
    }

    /// One for whom bytes wait shows liveness also by taking them: it cannot see a Ping that waits behind
    /// them. (Without a backlog, that bytes leave says only that the system has taken them.)
    fn note(&mut self, now: Instant, bytes_in: u64, outbox: &Outbox) {
        let bytes_out = outbox.bytes_out();
        let heard = bytes_in != self.bytes_in_seen;
        let taking = outbox.has_backlog() && bytes_out != self.bytes_out_seen;
        if heard || taking {
            self.heard_at = now;
            self.awaiting_pong = false;
        }
        self.bytes_in_seen = bytes_in;
        self.bytes_out_seen = bytes_out;
    }

    /// Notes a Pong. One that nobody asked for is allowed, and says nothing about time (RFC 6455
    /// section 5.5.3).
    pub fn pong(&mut self, payload: &[u8], at: Instant) {
        if payload == self.pings.to_string().as_bytes()
            && let Some(sent_at) = self.ping_sent_at.take()
        {
            self.round_trip = Some(at.saturating_duration_since(sent_at));
        }
    }
}
