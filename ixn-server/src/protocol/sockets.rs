//! The TCP side of the protocol's port: what is accepted, and what is closed before it costs anything.
//!
//! A socket that has not begun a call within the handshake time, speaks another protocol, or comes when there are too
//! many is closed. gRPC itself knows no such deadline: it waits for ever for the first frame.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::Stream;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

/// What every HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long to wait when the system has no socket to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often the log tells of one kind of trouble that anybody on the network can make.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Bounds of the sockets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketLimits {
    /// How long a socket may take to begin its first call.
    pub(crate) handshake: Duration,
    /// How many may be open.
    pub(crate) sockets: usize,
}

/// What a call knows of its socket.
#[derive(Clone, Debug)]
pub(crate) struct SocketInfo {
    /// Where the client is.
    pub(crate) peer: SocketAddr,
    has_call: Arc<AtomicBool>,
}

impl SocketInfo {
    /// A call has begun: the socket may now be silent for as long as it answers pings.
    pub(crate) fn call_begins(&self) {
        self.has_call.store(true, Ordering::Relaxed);
    }
}

/// An accepted socket.
pub(crate) struct Socket {
    tcp: TcpStream,
    info: SocketInfo,
    /// How much of the preface has come.
    preface: usize,
    /// Until the first call: ends when the socket has had its time, or the server ends.
    given_up: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    told: Arc<Told>,
    _counted: OwnedSemaphorePermit,
}

/// When the log last told of something.
#[derive(Debug, Default)]
struct Told {
    not_accepted: Mutex<Option<Instant>>,
    too_many: Mutex<Option<Instant>>,
    not_grpc: Mutex<Option<Instant>>,
}

fn is_news(told: &Mutex<Option<Instant>>) -> bool {
    let mut last = told.lock();
    let is_news = last.is_none_or(|last| last.elapsed() >= TOLD_EVERY);
    if is_news {
        *last = Some(Instant::now());
    }
    is_news
}

/// The sockets of a listener, for ever.
pub(crate) fn sockets(
    listener: TcpListener,
    limits: SocketLimits,
    stopped: CancellationToken,
) -> impl Stream<Item = io::Result<Socket>> {
    let room = Arc::new(Semaphore::new(limits.sockets));
    let told = Arc::<Told>::default();
    futures::stream::unfold(
        (listener, room, told, stopped),
        move |(listener, room, told, stopped)| async move {
            let socket = loop {
                let (tcp, peer) = match listener.accept().await {
                    Ok(accepted) => accepted,
                    Err(error) if is_about_one_socket(&error) => continue,
                    Err(error) => {
                        if is_news(&told.not_accepted) {
                            tracing::error!(%error, "connections cannot be accepted; does the limit of open files allow enough?");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let Ok(counted) = Arc::clone(&room).try_acquire_owned() else {
                    if is_news(&told.too_many) {
                        tracing::warn!(%peer, sockets = limits.sockets, "too many connections, closing new ones");
                    }
                    continue;
                };
                // Without it an answer of two writes waits for the client's delayed acknowledgement: 40 ms.
                if tcp.set_nodelay(true).is_err() {
                    continue;
                }
                break Socket::new(tcp, peer, counted, limits.handshake, stopped.clone(), Arc::clone(&told));
            };
            Some((Ok(socket), (listener, room, told, stopped)))
        },
    )
}

/// Whether an error of accept says that a client has gone already, rather than that nobody can come.
fn is_about_one_socket(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl Socket {
    fn new(
        tcp: TcpStream,
        peer: SocketAddr,
        counted: OwnedSemaphorePermit,
        handshake: Duration,
        stopped: CancellationToken,
        told: Arc<Told>,
    ) -> Self {
        let given_up = async move {
            tokio::select! {
                () = tokio::time::sleep(handshake) => {}
                () = stopped.cancelled() => {}
            }
        };
        Self {
            tcp,
            info: SocketInfo { peer, has_call: Arc::default() },
            preface: 0,
            given_up: Some(Box::pin(given_up)),
            told,
            _counted: counted,
        }
    }

    fn check_patience(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(given_up) = &mut self.given_up else { return Ok(()) };
        if self.info.has_call.load(Ordering::Relaxed) {
            self.given_up = None;
        } else if given_up.as_mut().poll(context).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    fn check_preface(&mut self, bytes: &[u8]) -> io::Result<()> {
        let expected = &PREFACE[self.preface..];
        let compared = bytes.len().min(expected.len());
        if bytes[..compared] != expected[..compared] {
            if is_news(&self.told.not_grpc) {
                let peer = self.info.peer;
                tracing::warn!(%peer, "a client speaks something else than gRPC without TLS; such connections are closed");
            }
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.preface += compared;
        Ok(())
    }
}

impl Connected for Socket {
    type ConnectInfo = SocketInfo;

    fn connect_info(&self) -> SocketInfo {
        self.info.clone()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_patience(context)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(context, buffer))?;
        if self.preface < PREFACE.len() {
            self.check_preface(&buffer.filled()[before..])?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
