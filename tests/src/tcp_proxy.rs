//! A TCP proxy of our own: a network that can be cut, refused and frozen, and that can lead elsewhere.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How much is carried at once, bytes.
const CHUNK_BYTES: usize = 64 << 10;
/// How long the other side may take to be connected to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A TCP proxy on a port of loopback. It ends with this value, and so do its connections.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    acceptor: JoinHandle<()>,
}

/// What the network is like at the moment.
#[derive(Clone, Copy, Debug)]
struct Network {
    target: SocketAddr,
    /// Nothing is carried; connections stay.
    frozen: bool,
    /// New connections are closed at once.
    refusing: bool,
    /// A connection ends when this is no longer what it was at its beginning.
    cuts: u64,
}

impl TcpProxy {
    /// Listens on a free port, and leads to `target`.
    ///
    /// # Panics
    /// When no port is to be had.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the address of a listener");
        let network = watch::Sender::new(Network { target, frozen: false, refusing: false, cuts: 0 });
        let acceptor = tokio::spawn(accept(listener, network.clone()));
        Self { address, network, acceptor }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections lead there; those that stand stay where they are.
    pub fn lead_to(&self, target: SocketAddr) {
        self.network.send_modify(|network| network.target = target);
    }

    /// Ends all connections. New ones are taken at once.
    pub fn cut(&self) {
        self.network.send_modify(|network| network.cuts += 1);
    }

    /// Whether new connections are closed at once.
    pub fn refuse(&self, refusing: bool) {
        self.network.send_modify(|network| network.refusing = refusing);
    }

    /// Whether nothing is carried while all connections stay: a network that swallows packets. What is on its way is
    /// kept and carried afterwards.
    pub fn freeze(&self, frozen: bool) {
        self.network.send_modify(|network| network.frozen = frozen);
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, network: watch::Sender<Network>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        tokio::spawn(carry(client, network.subscribe()));
    }
}

async fn carry(client: TcpStream, mut network: watch::Receiver<Network>) {
    let now = *network.borrow_and_update();
    if now.refusing {
        return;
    }
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(now.target));
    let Ok(Ok(server)) = connecting.await else { return };
    // Small messages both ways: without this each waits for the other's acknowledgement.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let (there, back) = (network.clone(), network.clone());
    tokio::select! {
        () = one_way(client_in, server_out, there) => {}
        () = one_way(server_in, client_out, back) => {}
        _ = network.wait_for(|network| network.cuts != now.cuts) => {}
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut network: watch::Receiver<Network>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let Ok(length @ 1..) = from.read(&mut chunk).await else { return };
        if network.wait_for(|network| !network.frozen).await.is_err() {
            return;
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    const LIMIT: Duration = Duration::from_secs(20);

    /// A server that sends back what it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    tokio::io::copy(&mut reader, &mut writer).await
                });
            }
        });
        address
    }

    async fn ask(stream: &mut TcpStream, text: &[u8]) -> io::Result<Vec<u8>> {
        stream.write_all(text).await?;
        answer(stream, text.len()).await
    }

    async fn answer(stream: &mut TcpStream, length: usize) -> io::Result<Vec<u8>> {
        let mut answer = vec![0; length];
        tokio::time::timeout(LIMIT, stream.read_exact(&mut answer)).await.expect("an answer or an end")?;
        Ok(answer)
    }

    #[tokio::test]
    async fn a_cut_ends_what_stands_and_lets_new_ones_in() {
        let proxy = TcpProxy::start(echo().await).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream, b"one").await.unwrap(), b"one");
        proxy.cut();
        answer(&mut stream, 1).await.expect_err("it was cut");
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream, b"two").await.unwrap(), b"two");
        proxy.refuse(true);
        assert_eq!(ask(&mut stream, b"three").await.unwrap(), b"three");
        let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
        ask(&mut refused, b"four").await.expect_err("it is refused");
    }

    #[tokio::test]
    async fn a_frozen_network_keeps_what_is_on_its_way() {
        let proxy = TcpProxy::start(echo().await).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream, b"one").await.unwrap(), b"one");
        proxy.freeze(true);
        stream.write_all(b"two").await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(50), answer(&mut stream, 3)).await;
        assert!(early.is_err(), "nothing comes through: {early:?}");
        proxy.freeze(false);
        assert_eq!(answer(&mut stream, 3).await.unwrap(), b"two");
    }
}
