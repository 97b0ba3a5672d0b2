//! Finds settings with which a server would be of no use, before it listens.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use ::http::Uri;

use super::Config;

/// A setting with which the server would serve nobody, or would take more than any machine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// A number outside its range.
    Number {
        /// The flag of the setting.
        flag: &'static str,
        /// The number that was given.
        given: usize,
        /// The numbers that the setting takes.
        range: RangeInclusive<usize>,
    },
    /// All messages together may not take as much memory as one.
    MemoryBelowMessage {
        /// Bytes for all messages.
        memory: usize,
        /// Bytes of the longest message.
        message: usize,
    },
    /// A time outside [`SHORTEST`] to [`LONGEST`].
    Time {
        /// The flag of the setting.
        flag: &'static str,
        /// The time that was given.
        given: Duration,
    },
    /// A text in [`Config::allow_origin`] that is not an origin.
    Origin(String),
}

/// The shortest time that a setting takes. Less is not enough for a busy machine.
pub const SHORTEST: Duration = Duration::from_millis(10);

/// The longest time that a setting takes: a day.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Places for connections. No system has more threads than this.
const PLACES: RangeInclusive<usize> = 1..=1_000_000;

/// Bytes of a request head. A browser's handshake has about 600, and the shortest has about 160. The server keeps
/// the whole head in memory.
const HEAD: RangeInclusive<usize> = 256..=1024 * 1024;

/// Bytes of a message. The limit holds for control frames too, which may have 125 (RFC 6455 section 5.5). Each
/// client may make the server keep a whole message in memory.
const MESSAGE: RangeInclusive<usize> = 125..=1024 * 1024 * 1024;

/// Bytes of all messages together. With less, a few clients that echo would already owe too much.
const MEMORY: RangeInclusive<usize> = 1024 * 1024..=usize::MAX;

/// Bytes of a backlog. With 0, a client may have one message outstanding.
const BACKLOG: RangeInclusive<usize> = 0..=1024 * 1024 * 1024;

impl Config {
    /// Checks that a server with these settings can serve its clients.
    /// [`Server::bind`](crate::Server::bind) calls this as well.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fragments = usize::try_from(self.max_fragments).unwrap_or(usize::MAX);
        for (flag, given, range) in [
            ("--max-clients", self.max_clients, PLACES),
            ("--max-handshakes", self.max_handshakes, PLACES),
            ("--max-head", self.max_head, HEAD),
            ("--max-message", self.max_message, MESSAGE),
            ("--max-fragments", fragments, 1..=usize::MAX),
            ("--max-backlog", self.max_backlog, BACKLOG),
            ("--max-memory", self.max_memory.unwrap_or(*MEMORY.start()), MEMORY),
        ] {
            if !range.contains(&given) {
                return Err(ConfigError::Number { flag, given, range });
            }
        }
        if let Some(memory) = self.max_memory.filter(|memory| *memory < self.max_message) {
            return Err(ConfigError::MemoryBelowMessage { memory, message: self.max_message });
        }
        for (flag, given) in [
            ("--handshake-timeout", Some(self.handshake_timeout)),
            ("--ping-interval", self.ping_interval),
            ("--pong-timeout", Some(self.pong_timeout)),
            ("--close-timeout", Some(self.close_timeout)),
        ] {
            if let Some(given) = given.filter(|time| !(SHORTEST..=LONGEST).contains(time)) {
                return Err(ConfigError::Time { flag, given });
            }
        }
        match self.allow_origin.iter().find(|origin| !is_origin(origin)) {
            Some(other) => Err(ConfigError::Origin(other.clone())),
            None => Ok(()),
        }
    }
}

/// Whether a browser could send this text as `Origin` (RFC 6454 section 6.2). A slash at the end is allowed, because
/// people copy it from the address bar. `null` is the origin of a page that was opened from a file.
fn is_origin(text: &str) -> bool {
    if text == "null" {
        return true;
    }
    let Ok(url) = text.parse::<Uri>() else { return false };
    let (Some(_), Some(authority)) = (url.scheme(), url.authority()) else { return false };
    let has_name = !authority.host().is_empty() && !authority.host().contains('*');
    let port = authority.as_str().strip_prefix(authority.host());
    let port_is_valid = port.is_some_and(|port| port.is_empty() || authority.port_u16().is_some());
    has_name && port_is_valid && url.path() == "/" && url.query().is_none()
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Number { flag, given, range } if given < range.start() => {
                write!(f, "{flag} must be at least {}, not {given}", range.start())
            }
            ConfigError::Number { flag, given, range } => {
                write!(f, "{flag} must be at most {}, not {given}", range.end())
            }
            ConfigError::MemoryBelowMessage { memory, message } => write!(
                f,
                "--max-memory must be at least --max-message, which is {message}, not {memory}"
            ),
            ConfigError::Time { flag, given } => {
                let (least, most) = (SHORTEST.as_secs_f64(), LONGEST.as_secs());
                write!(f, "{flag} must be {least} to {most} seconds, not {}", given.as_secs_f64())
            }
            ConfigError::Origin(text) => write!(
                f,
                "--allow-origin {text:?} is not an origin: it looks like https://school.example or \
                 http://localhost:8080"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sentence about a configuration that differs in one setting from the defaults.
    fn sentence(change: impl FnOnce(&mut Config)) -> Option<String> {
        let mut config = Config::default();
        change(&mut config);
        config.check().err().map(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_accepted() {
        assert_eq!(sentence(|_| {}), None);
    }

    #[test]
    fn numbers_have_a_range() {
        type Change = fn(&mut Config, usize);
        let rows: [(&str, Change, usize, usize); 4] = [
            ("--max-clients", |config, n| config.max_clients = n, 1, 1_000_000),
            ("--max-handshakes", |config, n| config.max_handshakes = n, 1, 1_000_000),
            ("--max-head", |config, n| config.max_head = n, 256, 1 << 20),
            ("--max-message", |config, n| config.max_message = n, 125, 1 << 30),
        ];
        for (flag, change, least, most) in rows {
            for good in [least, most] {
                assert_eq!(sentence(|config| change(config, good)), None, "{flag} {good}");
            }
            let too_small = format!("{flag} must be at least {least}, not {}", least - 1);
            assert_eq!(sentence(|config| change(config, least - 1)), Some(too_small));
            let too_large = format!("{flag} must be at most {most}, not {}", most + 1);
            assert_eq!(sentence(|config| change(config, most + 1)), Some(too_large));
        }
        let no_fragments = sentence(|config| config.max_fragments = 0);
        assert_eq!(no_fragments.as_deref(), Some("--max-fragments must be at least 1, not 0"));
        let no_memory = sentence(|config| config.max_memory = Some(0));
        assert_eq!(no_memory.as_deref(), Some("--max-memory must be at least 1048576, not 0"));
        let less_than_a_message = sentence(|config| config.max_memory = Some(16_777_215));
        assert_eq!(
            less_than_a_message.as_deref(),
            Some("--max-memory must be at least --max-message, which is 16777216, not 16777215")
        );
        let huge = sentence(|config| config.max_backlog = (1 << 30) + 1);
        assert_eq!(
            huge.as_deref(),
            Some("--max-backlog must be at most 1073741824, not 1073741825")
        );
    }

    #[test]
    fn times_have_a_range() {
        type Change = fn(&mut Config, Duration);
        let rows: [(&str, Change); 4] = [
            ("--handshake-timeout", |config, time| config.handshake_timeout = time),
            ("--ping-interval", |config, time| config.ping_interval = Some(time)),
            ("--pong-timeout", |config, time| config.pong_timeout = time),
            ("--close-timeout", |config, time| config.close_timeout = time),
        ];
        for (flag, change) in rows {
            for (time, shown) in [
                (Duration::ZERO, "0"),
                (Duration::from_nanos(1), "0.000000001"),
                (Duration::from_secs(86_401), "86401"),
            ] {
                let expected = format!("{flag} must be 0.01 to 86400 seconds, not {shown}");
                assert_eq!(sentence(|config| change(config, time)), Some(expected));
            }
            for good in [SHORTEST, LONGEST] {
                assert_eq!(sentence(|config| change(config, good)), None, "{flag} {good:?}");
            }
        }
        assert_eq!(sentence(|config| config.ping_interval = None), None);
    }

    #[test]
    fn an_allowed_origin_is_one_that_a_browser_sends() {
        for good in [
            "https://school.example",
            "https://school.example/",
            "HTTPS://School.Example",
            "http://localhost:8080",
            "http://127.0.0.1:1",
            "http://[::1]:8080",
            "moz-extension://3d8e2b1c-0000-4000-8000-000000000000",
            "null",
        ] {
            assert_eq!(
                sentence(|config| config.allow_origin = vec![good.to_owned()]),
                None,
                "{good}"
            );
        }
        for bad in [
            "",
            "*",
            "https://*.school.example",
            "school.example",
            "localhost:8080",
            "https://",
            "https://:80",
            "https://school.example:",
            "https://school.example:99999",
            "https://school.example:port",
            "https://school.example/page",
            "https://school.example?",
            "https://user@school.example",
            "https://schule.ex ample",
            "https://bücher.example",
            "/",
        ] {
            let expected = format!(
                "--allow-origin {bad:?} is not an origin: it looks like https://school.example or \
                 http://localhost:8080"
            );
            let origins = vec!["https://good.example".to_owned(), bad.to_owned()];
            assert_eq!(sentence(|config| config.allow_origin = origins), Some(expected));
        }
    }
}
