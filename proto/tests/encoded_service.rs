//! A server that sends encoded answers, and the generated, typed client, over loopback.

use std::{future::Future, time::Duration};

use bytes::BytesMut;
use ixn_proto::{
    ClientEnvelope, ClientMessage, EventError, RequestSubmit, ServerEnvelope,
    client_envelope::Request,
    encoded::{
        EncodedServerMessage, append_proxy_client_id, encode_envelope, frame_envelope,
        interaction_server_server::{InteractionServer, InteractionServerServer},
    },
    interaction_server_client::InteractionServerClient,
    server_envelope::Event,
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{
    Code, Response, Status, Streaming,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};

/// Answers each stream message by one with an error for every envelope, all made from the same bytes.
struct Refuser;

#[tonic::async_trait]
impl InteractionServer for Refuser {
    type ConnectStream = std::pin::Pin<Box<dyn Stream<Item = Result<EncodedServerMessage, Status>> + Send>>;

    async fn connect(
        &self,
        request: tonic::Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let answers = request.into_inner().map(|message| message.map(|message| answer(&message)));
        Ok(Response::new(Box::pin(answers)))
    }
}

fn refusal(reference_id: u64, proxy_client_id: u32) -> ServerEnvelope {
    let error = EventError { error_code: 6, error_description: "x".repeat(300) };
    ServerEnvelope {
        reference_id,
        proxy_client_id,
        event: Some(Event::EventError(error)),
        ..Default::default()
    }
}

fn answer(message: &ClientMessage) -> EncodedServerMessage {
    let mut out = BytesMut::new();
    for envelope in &message.envelopes {
        let mut refusal = encode_envelope(&refusal(envelope.reference_id, 0)).to_vec();
        append_proxy_client_id(&mut refusal, envelope.proxy_client_id);
        frame_envelope(&refusal, &mut out);
    }
    EncodedServerMessage(out.freeze())
}

async fn start() -> Result<Channel, Box<dyn std::error::Error>> {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?;
    let address = incoming.local_addr()?;
    let server = Server::builder().add_service(InteractionServerServer::new(Refuser));
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok(Endpoint::from_shared(format!("http://{address}"))?.connect().await?)
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(Duration::from_secs(10), future).await;
    assert!(outcome.is_ok(), "{what} did not happen within 10 s");
    outcome.unwrap_or_else(|_| unreachable!())
}

#[tokio::test]
async fn the_typed_client_reads_what_was_encoded() {
    let channel = soon("the start", start()).await.unwrap();
    let (requests, receiver) = mpsc::channel(4);
    let mut client = InteractionServerClient::new(channel);
    let answers = soon("the response's start", client.connect(ReceiverStream::new(receiver))).await.unwrap();
    let mut answers = answers.into_inner();

    let envelope = |reference_id, proxy_client_id| ClientEnvelope {
        reference_id,
        proxy_client_id,
        request: Some(Request::RequestSubmit(RequestSubmit::default())),
        ..Default::default()
    };
    requests.send(ClientMessage { envelopes: vec![envelope(1, 0), envelope(2, 70_000)] }).await.unwrap();
    let message = soon("the first answer", answers.message()).await.unwrap().unwrap();
    assert_eq!(message.envelopes, [refusal(1, 0), refusal(2, 70_000)]);

    requests.send(ClientMessage::default()).await.unwrap();
    let message = soon("the second answer", answers.message()).await.unwrap().unwrap();
    assert_eq!(message.envelopes, []);

    drop(requests);
    assert_eq!(soon("the end", answers.message()).await.unwrap(), None);
}

#[tokio::test]
async fn bytes_that_are_no_message_end_the_stream_with_a_sentence() {
    use tonic::codegen::http::uri::PathAndQuery;

    let channel = soon("the start", start()).await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    // A Duration whose seconds stand where envelopes should be.
    let wrong = tokio_stream::iter([prost_types::Duration { seconds: 5, nanos: 0 }]);
    let codec = tonic_prost::ProstCodec::<_, ixn_proto::ServerMessage>::new();
    let path = PathAndQuery::from_static("/ixn.v1.InteractionServer/Connect");
    let answers = client.streaming(tonic::Request::new(wrong), path, codec);
    let mut answers = soon("the response's start", answers).await.unwrap().into_inner();
    let status = soon("the refusal", answers.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("is not a ClientMessage"), "{}", status.message());
}
