//! Ports for servers that are started later.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A free port of the loopback that nobody else is given as long as this is there. A server may listen on it meanwhile.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    /// Bound, and never listening.
    _held: TcpSocket,
}

impl Port {
    /// Takes a free one.
    ///
    /// # Errors
    /// When there is none.
    pub fn take() -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { address: socket.local_addr()?, _held: socket })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
