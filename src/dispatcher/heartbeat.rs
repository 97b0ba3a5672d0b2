//! Heartbeat: finds out which clients are still there. A silent client gets a Ping, and the dispatcher
//! drops it when it stays silent.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::config::Config;

/// The times after which a silent client gets a Ping, and is dropped.
pub struct Heartbeat {
    /// Silence after which a Ping is sent. `None` switches the heartbeat off.
    ping_interval: Option<Duration>,
    /// Silence after that Ping until the client is dropped.
    pub pong_timeout: Duration,
    /// How long a client may leave a Close unanswered.
    pub close_timeout: Duration,
    /// Time between two checks of all clients.
    pub check_interval: Duration,
}

impl Heartbeat {
    /// Takes the times from the configuration.
    pub fn new(config: &Config) -> Heartbeat {
        let shortest = config
            .ping_interval
            .unwrap_or(config.close_timeout)
            .min(config.pong_timeout)
            .min(config.close_timeout);
        Heartbeat {
            ping_interval: config.ping_interval,
            pong_timeout: config.pong_timeout,
            close_timeout: config.close_timeout,
            // So a timeout is noticed at most an eighth of its time late.
            check_interval: (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(1)),
        }
    }
}

/// The traffic between the server and a client so far.
#[derive(Debug, Clone, Copy)]
pub struct Traffic {
    /// Bytes that the client's thread has read.
    pub bytes_in: u64,
    /// Bytes that have left for the client.
    pub bytes_out: u64,
    /// Whether bytes are unsent because the client has not read those before them.
    pub has_backlog: bool,
}

/// The result of a check of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client is alive, or still has time to answer.
    Alive,
    /// The client has been silent, and has to get a Ping with this payload.
    SendPing(Bytes),
    /// The client has been silent since the Ping, too.
    TimedOut,
}

/// The signs of life from one client.
///
/// Every byte that arrives is a sign of life. The client's thread only counts bytes and does not
/// read a clock; the dispatcher sees at its next check whether the count has grown.
pub struct Liveness {
    bytes_in_seen: u64,
    bytes_out_seen: u64,
    heard_at: Instant,
    /// The number of Pings sent. The last one carries it as its payload.
    pings: u64,
    /// When the last Ping was sent, until its Pong has come.
    ping_sent_at: Option<Instant>,
    /// Whether the client has been silent since the last Ping.
    is_silent_since_ping: bool,
    /// The time between the last answered Ping and its Pong.
    pub round_trip: Option<Duration>,
}

impl Liveness {
    /// Begins with a client that has just joined.
    pub fn new(now: Instant) -> Liveness {
        Liveness {
            bytes_in_seen: 0,
            bytes_out_seen: 0,
            heard_at: now,
            pings: 0,
            ping_sent_at: None,
            is_silent_since_ping: false,
            round_trip: None,
        }
    }

    /// Checks whether the client has given a sign of life since the last check.
    pub fn check(&mut self, now: Instant, traffic: Traffic, heartbeat: &Heartbeat) -> Verdict {
        let Some(ping_interval) = heartbeat.ping_interval else { return Verdict::Alive };
        self.note_traffic(now, traffic);
        match self.ping_sent_at.filter(|_| self.is_silent_since_ping) {
            Some(sent_at) if now - sent_at >= heartbeat.pong_timeout => Verdict::TimedOut,
            None if now - self.heard_at >= ping_interval => {
                self.pings += 1;
                self.ping_sent_at = Some(now);
                self.is_silent_since_ping = true;
                Verdict::SendPing(Bytes::from(self.pings.to_string()))
            }
            _ => Verdict::Alive,
        }
    }

    /// A client with a backlog is also alive when bytes leave for it: it cannot see a Ping that
    /// waits behind them. Without a backlog, bytes that leave only show that the system has taken
    /// them.
    fn note_traffic(&mut self, now: Instant, traffic: Traffic) {
        let is_sending = traffic.bytes_in != self.bytes_in_seen;
        let is_reading = traffic.has_backlog && traffic.bytes_out != self.bytes_out_seen;
        if is_sending || is_reading {
            self.heard_at = now;
            self.is_silent_since_ping = false;
        }
        self.bytes_in_seen = traffic.bytes_in;
        self.bytes_out_seen = traffic.bytes_out;
    }

    /// Notes a Pong. One without a Ping is allowed, but tells nothing about the round trip
    /// (RFC 6455 section 5.5.3).
    pub fn pong(&mut self, payload: &[u8], at: Instant) {
        if payload == self.pings.to_string().as_bytes()
            && let Some(sent_at) = self.ping_sent_at.take()
        {
            self.round_trip = Some(at.saturating_duration_since(sent_at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client and a clock that the test sets: Ping after 20 s of silence, dropped 20 s after that.
    struct Watched {
        liveness: Liveness,
        heartbeat: Heartbeat,
        began: Instant,
        traffic: Traffic,
    }

    fn watched(config: &Config) -> Watched {
        let began = Instant::now();
        Watched {
            liveness: Liveness::new(began),
            heartbeat: Heartbeat::new(config),
            began,
            traffic: Traffic { bytes_in: 0, bytes_out: 0, has_backlog: false },
        }
    }

    impl Watched {
        fn check_at(&mut self, seconds: u64) -> Verdict {
            let now = self.began + Duration::from_secs(seconds);
            self.liveness.check(now, self.traffic, &self.heartbeat)
        }

        fn pong_at(&mut self, payload: &[u8], milliseconds: u64) -> Option<Duration> {
            self.liveness.pong(payload, self.began + Duration::from_millis(milliseconds));
            self.liveness.round_trip
        }
    }

    fn ping(number: &'static str) -> Verdict {
        Verdict::SendPing(Bytes::from_static(number.as_bytes()))
    }

    #[test]
    fn a_silent_client_gets_one_ping_and_is_then_dropped() {
        let mut client = watched(&Config::default());
        assert_eq!(client.check_at(19), Verdict::Alive);
        assert_eq!(client.check_at(20), ping("1"));
        assert_eq!(client.check_at(21), Verdict::Alive, "one Ping only");
        assert_eq!(client.check_at(39), Verdict::Alive);
        assert_eq!(client.check_at(40), Verdict::TimedOut);
    }

    #[test]
    fn any_byte_after_the_ping_is_a_sign_of_life() {
        let mut client = watched(&Config::default());
        assert_eq!(client.check_at(20), ping("1"));
        client.traffic.bytes_in += 1;
        assert_eq!(client.check_at(39), Verdict::Alive);
        assert_eq!(client.check_at(58), Verdict::Alive);
        assert_eq!(client.check_at(59), ping("2"), "20 seconds after the byte was noticed");
    }

    #[test]
    fn bytes_that_leave_are_a_sign_of_life_only_with_a_backlog() {
        for has_backlog in [true, false] {
            let mut client = watched(&Config::default());
            client.traffic.has_backlog = has_backlog;
            assert_eq!(client.check_at(20), ping("1"));
            client.traffic.bytes_out += 1;
            let expected = if has_backlog { Verdict::Alive } else { Verdict::TimedOut };
            assert_eq!(client.check_at(40), expected);
        }
    }

    #[test]
    fn only_the_answer_to_the_last_ping_gives_a_round_trip() {
        let mut client = watched(&Config::default());
        assert_eq!(client.pong_at(b"0", 5), None, "a Pong without a Ping");
        assert_eq!(client.check_at(20), ping("1"));
        assert_eq!(client.pong_at(b"2", 20_001), None);
        assert_eq!(client.pong_at(b"1", 20_007), Some(Duration::from_millis(7)));
        assert_eq!(client.pong_at(b"1", 20_900), Some(Duration::from_millis(7)), "a second Pong");
    }

    #[test]
    fn without_an_interval_nobody_gets_a_ping_or_is_dropped() {
        let mut client = watched(&Config { ping_interval: None, ..Config::default() });
        assert_eq!(client.check_at(1_000_000), Verdict::Alive);
    }

    #[test]
    fn the_checks_follow_the_shortest_time_within_bounds() {
        let interval = |ping, pong, close| {
            let milliseconds = Duration::from_millis;
            Heartbeat::new(&Config {
                ping_interval: Some(milliseconds(ping)),
                pong_timeout: milliseconds(pong),
                close_timeout: milliseconds(close),
                ..Config::default()
            })
            .check_interval
            .as_millis()
        };
        assert_eq!(interval(20_000, 800, 5_000), 100);
        assert_eq!(interval(60_000, 60_000, 60_000), 1_000);
        assert_eq!(interval(1, 60_000, 60_000), 5);
    }
}
