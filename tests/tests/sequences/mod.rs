//! The sequences of events that the page of events shows, played on running servers.

mod stage;

use std::mem::drop;

use ixn_client::ClientError;
use ixn_proto::{
    KeyValueList, MediaState, ReasonInfo, RequestAgentLogin, RequestChangeAgentStateReason,
    RequestChangeProperties, RequestPull, RequestReject, RequestSubmit, WorkbinInfo,
    client_envelope::Request,
};
use stage::{Agent, Stage};

/// Nothing here ends by itself.
const CALM: &str = "
options: { delivering-timeout: 1h, agent-reconnect-timeout: 1h }
media-types: [{ name: email }, { name: chat }]
queues: [{ name: inbox }, { name: backlog }]
views:
  - { name: everything, queue: inbox, strategy: general }
  - { name: by-hand, queue: backlog }
workbins: [{ name: drafts, owner: agent }]
strategies: [{ name: general, steps: [{ targets: [{ agent: alice }, { agent: bob }] }] }]
agents: [{ id: alice }, { id: bob }]
";

/// Everything here ends soon.
const HASTY: &str = "
options: { delivering-timeout: 1s, agent-reconnect-timeout: 1s }
media-types: [{ name: email }]
queues: [{ name: two-steps }, { name: one-step }, { name: hopeless }, { name: overflow }, { name: backlog }]
views:
  - { name: two-steps, queue: two-steps, strategy: two-steps }
  - { name: one-step, queue: one-step, strategy: one-step }
  - { name: hopeless, queue: hopeless, strategy: hopeless }
  - { name: by-hand, queue: backlog }
strategies:
  - name: two-steps
    steps: [{ targets: [{ agent: alice }], timeout: 1s }, { targets: [{ agent: bob }] }]
  - { name: one-step, steps: [{ targets: [{ agent: bob }] }] }
  - { name: hopeless, steps: [{ targets: [{ agent: alice }], timeout: 1s }], overflow-queue: overflow }
agents: [{ id: alice }, { id: bob }]
";

/// Plays everything; answers the page's parts.
pub async fn play() -> Vec<(String, String)> {
    let mut calm = Stage::open(CALM).await;
    submitting_and_routing(&mut calm).await.unwrap();
    handling(&mut calm).await.unwrap();
    offers_that_are_not_accepted(&mut calm).await.unwrap();
    losing_the_agent_or_the_server(&mut calm).await.unwrap();

    let mut hasty = Stage::open(HASTY).await;
    time_is_up(&mut hasty).await.unwrap();
    calm.parts.into_iter().chain(hasty.parts).collect()
}

fn email(queue: &str) -> RequestSubmit {
    RequestSubmit { queue: queue.into(), media_type: "email".into(), ..RequestSubmit::default() }
}

fn chat(queue: &str) -> RequestSubmit {
    RequestSubmit { media_type: "chat".into(), ..email(queue) }
}

fn drafts_of(agent: &str) -> WorkbinInfo {
    WorkbinInfo { workbin_type_id: "drafts".into(), workbin_agent_id: agent.into(), ..WorkbinInfo::default() }
}

fn login(agent: &str, media: &[&str]) -> RequestAgentLogin {
    let ready = |name: &&str| MediaState { media_type_name: (*name).into(), ready: true, reason: None };
    RequestAgentLogin {
        agent_id: agent.into(),
        media_list: media.iter().map(ready).collect(),
        ..RequestAgentLogin::default()
    }
}

async fn pull(agent: &Agent, request: RequestPull) -> Result<String, ClientError> {
    let pulled = agent.client.pull(request).await?;
    assert_eq!(pulled.number_of_interactions, 1, "{pulled:?}");
    Ok(pulled.interactions[0].interaction.clone().unwrap().interaction_id)
}

async fn submitting_and_routing(stage: &mut Stage) -> Result<(), ClientError> {
    let media = stage.media.clone();
    let waiting = media.submit(email("backlog")).await?.interaction_id;
    stage.scene("submit", &mut []).await;
    media.stop(&waiting).await?;
    stage.scene("stop a queued one", &mut []).await;
    let drafts = RequestSubmit { workbin: Some(drafts_of("bob")), ..email("") };
    media.submit(drafts).await?;
    stage.scene("submit into a workbin", &mut []).await;

    let held = media.submit(RequestSubmit { hold: true, ..email("inbox") }).await?.interaction_id;
    stage.scene("submit on hold", &mut []).await;
    media.resume(&held).await?;
    stage.scene("resume a queued one", &mut []).await;
    media.stop(&held).await?;
    stage.scene("stop one in routing", &mut []).await;
    media.submit(email("inbox")).await?;
    stage.scene("taken by a view", &mut []).await;
    Ok(())
}

async fn handling(stage: &mut Stage) -> Result<(), ClientError> {
    let media = stage.media.clone();
    let mut alice = stage.connect("alice").await;
    alice.client.agent_login(login("alice", &["email"])).await?;
    let offer = alice.invitation().await;
    stage.scene("login and offer", &mut [&mut alice]).await;
    let id = offer.interaction.clone().unwrap().interaction_id;
    alice.client.accept(offer.ticket_id, &id).await?;
    stage.scene("accept", &mut [&mut alice]).await;

    alice.client.hold(&id).await?;
    alice.client.resume(&id).await?;
    stage.scene("hold and resume", &mut [&mut alice]).await;
    let mut changed = KeyValueList::new();
    changed.push_text("Category", "order");
    let change = RequestChangeProperties {
        interaction_id: id.clone(),
        changed_properties: Some(changed),
        ..RequestChangeProperties::default()
    };
    media.change_properties(change).await?;
    stage.scene("change", &mut [&mut alice]).await;
    alice.client.place_in_queue(&id, "backlog").await?;
    stage.scene("place in a queue", &mut [&mut alice]).await;
    let by_hand = RequestPull { view_id: "by-hand".into(), ..RequestPull::default() };
    assert_eq!(pull(&alice, by_hand).await?, id);
    stage.scene("pull from a view", &mut [&mut alice]).await;
    alice.client.place_in_workbin(&id, drafts_of("alice")).await?;
    stage.scene("place in a workbin", &mut [&mut alice]).await;
    let from_workbin = || RequestPull { workbin: Some(drafts_of("alice")), ..RequestPull::default() };
    assert_eq!(pull(&alice, from_workbin()).await?, id);
    stage.scene("pull from a workbin", &mut [&mut alice]).await;
    alice.client.leave(&id).await?;
    stage.scene("leave", &mut [&mut alice]).await;
    pull(&alice, from_workbin()).await?;
    stage.skip(&mut [&mut alice]).await;
    alice.client.stop(&id).await?;
    stage.scene("stop by its agent", &mut [&mut alice]).await;

    let own = alice.client.submit(email("inbox")).await?.interaction_id;
    stage.scene("submit by an agent", &mut [&mut alice]).await;
    media.stop(&own).await?;
    stage.scene("stop by another", &mut [&mut alice]).await;
    states(stage, &mut alice).await?;
    alice.client.agent_logout().await?;
    stage.scene("logout with nothing", &mut [&mut alice]).await;
    Ok(())
}

async fn states(stage: &mut Stage, alice: &mut Agent) -> Result<(), ClientError> {
    let because = Some(ReasonInfo { reason_system_name: "Lunch".into(), ..ReasonInfo::default() });
    alice.client.add_media("chat").await?;
    alice.client.cancel_not_ready_for_media("chat").await?;
    alice.client.not_ready_for_media("email").await?;
    alice.client.do_not_disturb_on().await?;
    let change = RequestChangeAgentStateReason { reason: because };
    alice.client.request(Request::RequestChangeAgentStateReason(change)).await?;
    alice.client.do_not_disturb_off().await?;
    alice.client.remove_media("chat").await?;
    stage.scene("states", &mut [alice]).await;
    Ok(())
}

async fn offers_that_are_not_accepted(stage: &mut Stage) -> Result<(), ClientError> {
    let media = stage.media.clone();
    let mut alice = stage.connect("alice").await;
    alice.client.agent_login(login("alice", &["email"])).await?;
    let id = media.submit(email("inbox")).await?.interaction_id;
    let offer = alice.invitation().await;
    let mut bob = stage.connect("bob").await;
    bob.client.agent_login(login("bob", &["email"])).await?;
    stage.skip(&mut [&mut alice, &mut bob]).await;
    let reject = RequestReject {
        ticket_id: offer.ticket_id,
        interaction_id: id.clone(),
        reason: Some(ReasonInfo { reason_system_name: "NotMine".into(), ..ReasonInfo::default() }),
    };
    alice.client.request(Request::RequestReject(reject)).await?;
    bob.invitation().await;
    stage.scene("reject", &mut [&mut alice, &mut bob]).await;
    media.stop(&id).await?;
    stage.scene("stop an offered one", &mut [&mut alice, &mut bob]).await;

    bob.client.agent_logout().await?;
    media.submit(email("inbox")).await?;
    alice.invitation().await;
    bob.client.agent_login(login("bob", &["email"])).await?;
    stage.skip(&mut [&mut alice, &mut bob]).await;
    drop(alice);
    let second = bob.invitation().await;
    stage.scene("connection lost with an offer", &mut [&mut bob]).await;
    media.stop(&second.interaction.unwrap().interaction_id).await?;
    bob.client.agent_logout().await?;
    let alice = stage.connect("alice").await;
    assert!(alice.client.agent_login(login("alice", &[])).await?.resumed);
    alice.client.agent_logout().await?;
    stage.skip(&mut []).await;
    Ok(())
}

async fn losing_the_agent_or_the_server(stage: &mut Stage) -> Result<(), ClientError> {
    let media = stage.media.clone();
    let mut alice = stage.connect("alice").await;
    alice.client.agent_login(login("alice", &["email", "chat"])).await?;
    let first = media.submit(email("inbox")).await?.interaction_id;
    let offer = alice.invitation().await;
    alice.client.accept(offer.ticket_id, &first).await?;
    let second = media.submit(chat("inbox")).await?.interaction_id;
    alice.invitation().await;
    stage.name(&[(&first, "the e-mail"), (&second, "the chat")]);
    stage.skip(&mut [&mut alice]).await;
    alice.client.agent_logout().await?;
    stage.scene("logout", &mut [&mut alice]).await;

    alice.client.agent_login(login("alice", &["email", "chat"])).await?;
    for _ in 0..2 {
        let offer = alice.invitation().await;
        if offer.interaction.unwrap().interaction_id == first {
            alice.client.accept(offer.ticket_id, &first).await?;
        }
    }
    stage.skip(&mut [&mut alice]).await;
    drop(alice);
    stage.kill_and_start_again().await;
    stage.scene("restart", &mut []).await;
    let mut alice = stage.connect("alice").await;
    let info = alice.client.agent_login(login("alice", &["email", "chat"])).await?;
    assert!(info.resumed && info.interactions.len() == 1, "{info:?}");
    alice.invitation().await;
    stage.scene("resumed login", &mut [&mut alice]).await;
    Ok(())
}

async fn time_is_up(stage: &mut Stage) -> Result<(), ClientError> {
    let media = stage.media.clone();
    let mut bob = stage.connect("bob").await;
    bob.client.agent_login(login("bob", &["email"])).await?;
    stage.skip(&mut [&mut bob]).await;
    media.submit(email("two-steps")).await?;
    stage.scene_until("a step relaxes", "EventAgentInvited", Some((&mut bob, "EventInvite"))).await;
    let forced = "EventForcedAgentStateChange";
    stage.scene_until("an offer expires", "EventNotReadyForMedia", Some((&mut bob, forced))).await;

    media.submit(email("hopeless")).await?;
    stage.scene_until("overflow", "EventPlacedInQueue", None).await;

    media.submit(email("backlog")).await?;
    pull(&bob, RequestPull { view_id: "by-hand".into(), ..RequestPull::default() }).await?;
    stage.skip(&mut [&mut bob]).await;
    drop(bob);
    stage.scene_until("connection lost", "EventAgentLogout", None).await;
    Ok(())
}
