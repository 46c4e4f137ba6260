//! A device that says exactly what a test tells it to.

use cleave_arch::{Array, CutGraph, LinkCodec};
use cleave_wire::{Answer, Call, Limits, ModelHash, Packed, Refusal, ToDevice, ToEdge, ValidationSet, WeightSource};
use futures_util::{SinkExt, StreamExt};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{PATIENCE, Running, TOKEN};

#[derive(Debug)]
pub struct Client(pub WebSocketStream<TcpStream>);

impl Client {
    /// An upgraded socket that has said nothing yet.
    pub async fn connect(edge: &Running) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{}/ws", edge.address).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
        let stream = TcpStream::connect(edge.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let shaken = timeout(PATIENCE, client_async(request, stream)).await.unwrap();
        Ok(Self(shaken?.0))
    }

    /// A session that was welcomed.
    pub async fn greeted(edge: &Running) -> Self {
        Self::welcomed(edge).await.0
    }

    /// A session that was welcomed, and the clouds for judging that it was told of.
    pub async fn welcomed(edge: &Running) -> (Self, Option<ValidationSet>) {
        let mut client = Self::connect(edge).await.unwrap();
        client.say(&hello(TOKEN)).await;
        let welcome = client.hear().await;
        let ToDevice::Link(Answer::Welcome { offer, .. }) = welcome else { panic!("{welcome:?}") };
        (client, offer.validation)
    }

    pub async fn say(&mut self, message: &ToEdge) {
        self.say_bytes(message.encode()).await;
    }

    pub async fn say_bytes(&mut self, bytes: Vec<u8>) {
        timeout(PATIENCE, self.0.send(Message::Binary(bytes.into()))).await.unwrap().unwrap();
    }

    pub async fn hear(&mut self) -> ToDevice {
        let bytes = self.hear_bytes().await.expect("a message, not the end");
        ToDevice::decode(&bytes, &Limits::DEFAULT).unwrap()
    }

    /// The next message's bytes, or nothing at the end.
    pub async fn hear_bytes(&mut self) -> Option<Vec<u8>> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("the edge answers in time") {
                Some(Ok(Message::Binary(bytes))) => return Some(bytes.to_vec()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The refusal that ends the session.
    pub async fn refused(&mut self) -> Refusal {
        let heard = self.hear().await;
        let ToDevice::Link(Answer::Refused(refusal)) = heard else { panic!("not a refusal: {heard:?}") };
        assert_eq!(self.hear_bytes().await, None, "the session goes on");
        refusal
    }

    /// Deploys and sends the file if it is asked for; says whether it was.
    pub async fn deploy(&mut self, deployment: u32, cut: &CutGraph, file: &[u8]) -> bool {
        let (graph, cuts, model) = (cut.graph().to_string(), cut.cuts().to_vec(), hash(file));
        let (weights, codec) = (WeightSource::File(model), LinkCodec::default());
        self.say(&ToEdge::Deploy { deployment, graph, cuts, weights, codec }).await;
        let mut was_asked = false;
        loop {
            match self.hear().await {
                ToDevice::Link(Answer::NeedWeights { .. }) => {
                    was_asked = true;
                    self.upload(model, file).await;
                }
                ToDevice::Link(Answer::WeightsProgress { .. }) => {}
                ToDevice::Deployed { deployment: ready } if ready == deployment => return was_asked,
                other => panic!("{other:?}"),
            }
        }
    }

    pub async fn upload(&mut self, model: ModelHash, file: &[u8]) {
        let (mut offset, total) = (0, file.len() as u64);
        for chunk in file.chunks(10_000) {
            self.say(&ToEdge::Link(Call::Weights { model, offset, total, chunk: chunk.to_vec() })).await;
            offset += chunk.len() as u64;
        }
    }

    pub async fn frame(&mut self, id: u64, deployment: u32, segment: u8, inputs: &[Array]) {
        let tensors = Packed::pack(inputs, LinkCodec::default()).unwrap();
        self.say(&ToEdge::Frame { id, deployment, segment, deadline_ms: 20_000, tensors }).await;
    }
}

pub fn hello(token: &str) -> ToEdge {
    ToEdge::Link(Call::Hello { token: token.into(), name: "test".into(), role: () })
}

pub fn hash(file: &[u8]) -> ModelHash {
    ModelHash(Sha256::digest(file).into())
}
