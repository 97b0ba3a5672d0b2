//! Small helpers for sockets: where operating systems differ, and where `std` leaves work to its caller.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Returns whether a read failed because its timeout ran out: Unix reports `WouldBlock`, Windows
/// reports `TimedOut`.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Reads once, and tries again when a signal interrupted the read.
pub(crate) fn read_uninterrupted(mut socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Returns whether the peer has closed its side or is lost, and does not wait. Bytes that the peer has sent
/// are discarded, at most as many as `scratch` holds.
///
/// Only Unix has a call for it. Elsewhere only a write shows that the peer has gone.
pub(crate) fn has_ended(socket: &TcpStream, scratch: &mut [u8]) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        use rustix::net::{RecvFlags, recv};
        match recv(socket, scratch, RecvFlags::DONTWAIT) {
            Ok((_, count)) => count == 0,
            Err(error) => !matches!(error, Errno::AGAIN | Errno::INTR),
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (socket, scratch);
        false
    }
}

/// Makes the system drop the connection when the peer has not acknowledged or not taken any byte for
/// `patience`. By itself Linux goes on for about 15 minutes when a peer vanishes without a word.
/// Other systems keep their own time.
pub(crate) fn limit_silence(socket: &TcpStream, patience: Duration) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(socket, milliseconds)?;
    }
    let _ = (socket, patience);
    Ok(())
}

/// Returns the address at which this machine reaches a server that listens at `address`. A server
/// can listen at "all addresses" (`0.0.0.0` or `::`), but a client cannot connect to them.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Returns the address of a client, or the network that counts as one address: an IPv6 client has all addresses that
/// share their first 64 bits (RFC 6177). An IPv4 address inside an IPv6 address is that IPv4 address.
pub(crate) fn network_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        for (client, network) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
            ("2001:db8:1:3::", "2001:db8:1:3::"),
        ] {
            let network: IpAddr = network.parse().unwrap();
            assert_eq!(network_of(client.parse().unwrap()), network, "{client}");
        }
    }
}
