//! RequestSubscribe, RequestUnsubscribe and RequestPublish: topics between clients. Nothing is kept: who is subscribed when
//! something is published hears it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ErrorCode, EventAck, EventPublished, KeyValueList, RequestPublish, RequestSubscribe, RequestUnsubscribe,
};

use super::jobs::{Job, Progress};
use super::{Answer, Caller, Refusal, Result, validation};
use crate::engine::Engine;
use crate::sessions::ClientRef;

/// Topics of one client.
const MAX_TOPICS: usize = 1000;
/// Bytes of one publication.
const MAX_CONTENT_BYTES: usize = 64 * 1024;
/// Subscribers that one step serves.
const SUBSCRIBERS_PER_STEP: usize = 256;

/// Who is subscribed to what.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    by_topic: BTreeMap<Box<str>, BTreeSet<ClientRef>>,
    by_client: BTreeMap<ClientRef, BTreeSet<Box<str>>>,
}

impl Topics {
    /// Ends all subscriptions of a client; answers whether it had any.
    pub(super) fn forget(&mut self, client: ClientRef) -> bool {
        let topics = self.by_client.remove(&client).unwrap_or_default();
        for topic in &topics {
            self.remove(topic, client);
        }
        !topics.is_empty()
    }

    fn remove(&mut self, topic: &str, client: ClientRef) {
        if let Some(subscribers) = self.by_topic.get_mut(topic) {
            subscribers.remove(&client);
            if subscribers.is_empty() {
                self.by_topic.remove(topic);
            }
        }
    }

    fn after(&self, topic: &str, after: Option<ClientRef>) -> impl Iterator<Item = ClientRef> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let subscribers = self.by_topic.get(topic).into_iter();
        subscribers.flat_map(move |clients| clients.range((start, Bound::Unbounded)).copied())
    }
}

/// A publication that is being sent.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) caller: Caller,
    event: EventPublished,
    after: Option<ClientRef>,
}

fn topics(list: Option<&KeyValueList>) -> Result<BTreeSet<Box<str>>> {
    let list = validation::keys("ps_topic_list", list)?;
    let mut topics = BTreeSet::new();
    for entry in list.entries() {
        let entry = entry.map_err(|error| validation::bad_list("ps_topic_list", &error))?;
        topics.insert(validation::required("the topic", entry.key)?.into());
    }
    Ok(topics)
}

pub(super) fn subscribe(engine: &mut Engine, caller: &Caller, request: &RequestSubscribe) -> Result {
    let topics = topics(request.ps_topic_list.as_ref())?;
    if topics.is_empty() {
        let text = "ps_topic_list is missing; its keys are the topics";
        return Err(Refusal::new(ErrorCode::MissingValue, text));
    }
    let mut all = engine.topics.by_client.get(&caller.client).cloned().unwrap_or_default();
    all.extend(topics.iter().cloned());
    if all.len() > MAX_TOPICS {
        let text =
            format!("a client subscribes to at most {MAX_TOPICS} topics; end some subscriptions first");
        return Err(Refusal::new(ErrorCode::LimitExceeded, text));
    }
    engine.topics.by_client.insert(caller.client, all);
    for topic in topics {
        engine.topics.by_topic.entry(topic).or_default().insert(caller.client);
    }
    Ok(Answer::ack())
}

pub(super) fn unsubscribe(engine: &mut Engine, caller: &Caller, request: &RequestUnsubscribe) -> Result {
    let unwanted = topics(request.ps_topic_list.as_ref())?;
    let not_subscribed = |text: &str| Err(Refusal::new(ErrorCode::NotSubscribed, text));
    if unwanted.is_empty() {
        if engine.topics.forget(caller.client) {
            return Ok(Answer::ack());
        }
        return not_subscribed("this client is subscribed to no topic; nothing has to be ended");
    }
    let mut kept = engine.topics.by_client.get(&caller.client).cloned().unwrap_or_default();
    for topic in &unwanted {
        if !kept.remove(topic) {
            return not_subscribed(&format!("this client is not subscribed to '{topic}'; leave it out"));
        }
    }
    for topic in &unwanted {
        engine.topics.remove(topic, caller.client);
    }
    match kept.is_empty() {
        true => engine.topics.by_client.remove(&caller.client),
        false => engine.topics.by_client.insert(caller.client, kept),
    };
    Ok(Answer::ack())
}

pub(super) fn publish(engine: &mut Engine, caller: &Caller, request: &RequestPublish) -> Result {
    let topic = validation::required("ps_topic", &request.ps_topic)?;
    let content = validation::list("content", request.content.as_ref())?;
    if content.as_bytes().len() > MAX_CONTENT_BYTES {
        let text = format!(
            "content has {} bytes; at most {MAX_CONTENT_BYTES} are allowed",
            content.as_bytes().len()
        );
        return Err(Refusal::new(ErrorCode::LimitExceeded, text));
    }
    let event = EventPublished {
        ps_topic: topic.to_owned(),
        content: (!content.is_empty()).then_some(content),
        actor: Some(engine.actor_info(&caller.actor())),
    };
    let caller = caller.to_be_answered();
    engine.begin(Job::Publication(Box::new(Publication { caller, event, after: None })))?;
    Ok(Answer::Given)
}

impl Engine {
    /// Sends a publication to the next subscribers; the publisher is answered when all have it.
    pub(super) fn publish_on(&mut self, publication: &mut Publication) -> Progress {
        let topic = &publication.event.ps_topic;
        let next: Vec<_> = self.topics.after(topic, publication.after).take(SUBSCRIBERS_PER_STEP).collect();
        publication.after = next.last().copied().or(publication.after);
        let progress = if next.len() == SUBSCRIBERS_PER_STEP { Progress::GoesOn } else { Progress::Done };
        for client in next {
            self.send(client, Event::EventPublished(publication.event.clone()));
        }
        if progress == Progress::Done && self.still_registered(&publication.caller).is_some() {
            self.answer(&publication.caller, Event::EventAck(EventAck::default()));
        }
        progress
    }
}
