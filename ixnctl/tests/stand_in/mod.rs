//! A small server that speaks the real protocol: enough of it for the command line, and it can lose connections.

// Each test file uses its part.
#![allow(dead_code)]

mod inspection;
mod world;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use futures::{Stream, StreamExt as _};
use ixn_proto::inspection_server::InspectionServer;
use ixn_proto::interaction_server_server::{InteractionServer, InteractionServerServer};
use ixn_proto::{ClientMessage, ServerEnvelope, ServerMessage};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

pub use world::World;

/// A running stand-in; it ends with this value.
pub struct StandIn {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    task: JoinHandle<()>,
}

impl StandIn {
    /// Starts on a free port, with the queues `inbox` (with a view that routes) and `overflow`.
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    /// Starts at an address where nobody listens.
    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let world = Arc::new(Mutex::new(World::default()));
        let service = Service { world: Arc::clone(&world) };
        let server = Server::builder()
            .add_service(InteractionServerServer::new(service.clone()))
            .add_service(InspectionServer::new(service));
        let task = tokio::spawn(async move {
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        Self { address, world, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Service {
    world: Arc<Mutex<World>>,
}

type Answers = Pin<Box<dyn Stream<Item = Result<ServerMessage, Status>> + Send>>;

#[tonic::async_trait]
impl InteractionServer for Service {
    type ConnectStream = Answers;

    async fn connect(&self, request: Request<Streaming<ClientMessage>>) -> Result<Response<Answers>, Status> {
        let mut requests = request.into_inner();
        let (sender, receiver) = mpsc::channel::<Result<ServerMessage, Status>>(1024);
        let world = Arc::clone(&self.world);
        let connection = world.lock().unwrap().connected(sender.downgrade());
        tokio::spawn(async move {
            while let Some(Ok(message)) = requests.next().await {
                for envelope in message.envelopes {
                    if !world.lock().unwrap().handle(connection, envelope) {
                        world.lock().unwrap().disconnected(connection);
                        return;
                    }
                }
            }
            world.lock().unwrap().disconnected(connection);
            drop(sender);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// One envelope as a message.
fn message(envelope: ServerEnvelope) -> ServerMessage {
    ServerMessage { envelopes: vec![envelope] }
}
