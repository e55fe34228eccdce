//! What is true of an engine after every step. Everything that is kept twice (sets of agents, lines, counters, indexes)
//! must agree with the rows. Random runs look after each step, a debug build now and then while there is little to look at;
//! a release build does not, for it looks at everything.
//!
//! What must hold beyond one engine (nothing leaves before its commit, nothing acknowledged is missing, events have no gap
//! and alone tell the whole state) is checked by the random runs themselves, in `tests/simulation`.

use std::collections::{BTreeMap, BTreeSet};

use crate::agents::{AgentState, Standing};
use crate::commit::InteractionKey;
use crate::engine::Engine;
use crate::interaction::{Interaction, State};
use crate::interactions::QueueCounts;
use crate::names::{AgentId, StrategyId};
use crate::routing::lines::LineId;
use crate::routing::steps::line_of;
use crate::timers::TimerHandle;

macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+));
        }
    };
}

type Keys = BTreeSet<InteractionKey>;

/// One of them.
#[derive(Debug)]
pub struct Invariant {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    check: fn(&Engine) -> Result<(), String>,
}

/// All of them.
pub const INVARIANTS: [Invariant; 10] = [
    Invariant {
        name: "one owner",
        says: "an interaction is free, with one strategy and at most one offer, or with one agent, as its state says; \
               each of them knows of it",
        check: |engine| {
            rows(engine).try_for_each(|row| {
                parties_fit_state(engine, row).map_err(|error| format!("interaction {}: {error}", row.key))
            })
        },
    },
    Invariant {
        name: "load equals parties",
        says: "what an agent handles, is offered and is counted to carry is what the rows say; he stands in the router's \
               lists exactly when he can take more",
        check: |engine| {
            engine.agents.iter().try_for_each(|(agent, state)| {
                let name = engine.vocabulary.agents.name(*agent);
                agent_fits_rows(engine, *agent, state).map_err(|error| format!("agent {name}: {error}"))
            })
        },
    },
    Invariant {
        name: "sessions and agents know each other",
        says: "a client that acts for an agent is one of his, and the other way round",
        check: sessions_fit_agents,
    },
    Invariant {
        name: "counters count rows",
        says: "each interaction is counted in exactly one queue, and in its strategy",
        check: counters_fit_rows,
    },
    Invariant {
        name: "timers are meant",
        says: "every timer that is set is waited for, and every one that is waited for is set",
        check: timers_are_all_meant,
    },
    Invariant {
        name: "lines hold who waits",
        says: "the router's lines hold what waits for an agent, and the agents who are free",
        check: lines_fit_rows,
    },
    Invariant {
        name: "pulls hold what they chose",
        says: "what is cached was chosen by a pull that still goes on",
        check: pulls_fit_rows,
    },
    Invariant {
        name: "user data is at hand or durable",
        says: "the cache keeps its bound, and what the database does not have yet is not evicted",
        check: |engine| engine.contents.check(engine.batch),
    },
    Invariant {
        name: "views and workbins show what is there",
        says: "each view shows in its order what its condition selects now, each workbin what lies in it",
        check: |engine| {
            if !engine.changeover.is_indexed() {
                return Ok(());
            }
            views_show_what_matches(engine)?;
            workbins_hold_what_lies_there(engine)
        },
    },
    Invariant {
        name: "nobody waits in vain",
        says: "when the engine rests, no interaction waits for an agent who is free, or for a strategy that has room",
        check: |engine| if engine.has_more_work() { Ok(()) } else { nobody_waits_in_vain(engine) },
    },
];

/// Looks at everything.
///
/// # Errors
/// The first invariant that does not hold, and what was seen.
pub fn check(engine: &Engine) -> Result<(), String> {
    INVARIANTS.iter().try_for_each(|invariant| {
        (invariant.check)(engine).map_err(|seen| format!("'{}' does not hold: {seen}", invariant.name))
    })
}

/// The router never exceeds a capacity, and offers to one agent at a time: whom it invites can take one more of the medium,
/// nobody else is asked meanwhile, and the interaction stands in no line. Asked by debug builds before each invitation; a
/// capacity that shrinks later takes nothing away from anybody.
pub(crate) fn may_be_invited(engine: &Engine, key: InteractionKey, agent: AgentId) -> bool {
    let row = engine.interactions.get(key).filter(|row| row.invitations().is_empty() && !row.is_held);
    let waits = |row| line_of(row).is_some_and(|(line, urgency)| engine.lines.holds(line, urgency));
    let media_type = row.filter(|row| !waits(row)).map(|row| row.media_type);
    let (setup, state) = (engine.setup.agents.get(&agent), engine.agents.get(&agent));
    media_type
        .zip(setup)
        .zip(state)
        .is_some_and(|((media, setup), state)| state.standing(setup, media).is_ok())
}

fn rows(engine: &Engine) -> impl Iterator<Item = &Interaction> {
    engine.interactions.after(InteractionKey(0))
}

fn parties_fit_state(engine: &Engine, row: &Interaction) -> Result<(), String> {
    let (routed, invited, handled) = (row.routing().is_some(), row.invitations().len(), row.agents().len());
    match row.state {
        State::Queued | State::Cached => {
            ensure!(!routed && invited == 0 && handled == 0, "{:?} with parties", row.state);
        }
        State::Routing => {
            ensure!(
                routed && invited <= 1 && handled == 0,
                "routed: {routed}, {invited} invited, {handled} handle it"
            );
        }
        State::Handling => {
            ensure!(
                !routed && invited == 0 && handled == 1,
                "routed: {routed}, {invited} invited, {handled} handle it"
            );
        }
    }
    let free = matches!(row.state, State::Queued | State::Cached);
    ensure!(row.workbin.is_none() || free, "{:?} in a workbin", row.state);
    for invitation in row.invitations() {
        let offered =
            engine.agents.get(&invitation.agent).is_some_and(|state| state.offered.contains(&row.key));
        ensure!(offered, "offered to an agent who does not know");
        let state = engine.agents.get(&invitation.agent);
        ensure!(
            state.is_some_and(|state| state.media.contains_key(&row.media_type)),
            "offered without the medium"
        );
    }
    for party in row.agents() {
        let handled = engine.agents.get(&party.agent).is_some_and(|state| state.handled.contains(&row.key));
        ensure!(handled, "handled by an agent who does not know");
        ensure!(party.handling_timer.is_some(), "handled without a timer");
    }
    Ok(())
}

fn agent_fits_rows(engine: &Engine, agent: AgentId, state: &AgentState) -> Result<(), String> {
    let of = |belongs: &dyn Fn(&Interaction) -> bool| -> Keys {
        rows(engine).filter(|row| belongs(row)).map(|row| row.key).collect()
    };
    let handled = of(&|row| row.is_handled_by(agent));
    let offered = of(&|row| row.invitations().iter().any(|invitation| invitation.agent == agent));
    ensure!(state.handled == handled, "handles {:?}, the rows say {handled:?}", state.handled);
    ensure!(state.offered == offered, "is offered {:?}, the rows say {offered:?}", state.offered);
    for (media_type, media) in &state.media {
        let load = engine.load_of(agent, *media_type);
        ensure!(media.load == load, "has the load {}, the rows say {load}", media.load);
    }
    let (connected, leaving) = (!state.clients.is_empty(), state.leaving.is_some());
    ensure!(
        (connected || leaving) != state.reconnect_timer.is_some(),
        "connected: {connected}, leaving: {leaving}, and the timer does not fit"
    );
    ensure!(!leaving || !engine.jobs.is_empty(), "is being logged out, and nobody does it");
    ensure!(
        connected || leaving || state.offered.is_empty() || engine.jobs.take_back_from(agent),
        "is offered something while he is gone"
    );
    if !engine.changeover.is_over() {
        return Ok(());
    }
    let listed: BTreeMap<_, Standing> = match engine.setup.agents.get(&agent) {
        Some(setup) => {
            let media = state.media.keys();
            media.filter_map(|media| Some((*media, state.standing(setup, *media).ok()?))).collect()
        }
        None => BTreeMap::new(),
    };
    ensure!(state.listed == listed, "stands as {:?}, not as {listed:?}", state.listed);
    Ok(())
}

fn sessions_fit_agents(engine: &Engine) -> Result<(), String> {
    for (client, registered) in &engine.sessions.clients {
        if let Some(agent) = registered.agent {
            let knows = engine.agents.get(&agent).is_some_and(|state| state.clients.contains(client));
            ensure!(knows, "{client:?} acts for an agent who does not know");
        }
    }
    for (agent, state) in &engine.agents {
        let distinct: BTreeSet<_> = state.clients.iter().collect();
        ensure!(distinct.len() == state.clients.len(), "an agent has one client twice");
        for client in &state.clients {
            let registered = engine.sessions.clients.get(client);
            let acts = registered.is_some_and(|registered| registered.agent == Some(*agent));
            ensure!(acts, "an agent has {client:?}, which does not act for him");
        }
    }
    Ok(())
}

fn counters_fit_rows(engine: &Engine) -> Result<(), String> {
    let mut counted: BTreeMap<_, QueueCounts> = BTreeMap::new();
    let mut current: BTreeMap<StrategyId, usize> = BTreeMap::new();
    for row in rows(engine) {
        let counts = counted.entry((row.queue, row.media_type)).or_default();
        match row.state {
            State::Queued => counts.waiting_processing += 1,
            State::Cached | State::Routing => counts.in_router += 1,
            State::Handling => counts.on_agent += 1,
        }
        counts.current_length += u64::from(row.delivered_at.get().is_none());
        if let Some(routing) = row.routing() {
            *current.entry(routing.strategy).or_default() += 1;
        }
    }
    let kept = engine.interactions.counts().iter().filter(|(_, counts)| counts.total() > 0);
    let kept: BTreeMap<_, _> = kept.map(|(bucket, counts)| (*bucket, *counts)).collect();
    ensure!(kept == counted, "queues count {kept:?}, the rows say {counted:?}");
    let strategies = engine.strategies.iter().filter(|(_, counts)| counts.current > 0);
    let strategies: BTreeMap<_, _> =
        strategies.map(|(strategy, counts)| (*strategy, counts.current)).collect();
    ensure!(strategies == current, "strategies count {strategies:?}, the rows say {current:?}");
    Ok(())
}

fn timers_are_all_meant(engine: &Engine) -> Result<(), String> {
    let mut meant: Vec<TimerHandle> = Vec::new();
    for row in rows(engine) {
        if let Some(routing) = row.routing() {
            meant.extend([routing.routing_timer, routing.step_timer].into_iter().flatten());
        }
        meant.extend(row.invitations().iter().filter_map(|invitation| invitation.timer));
        meant.extend(row.agents().iter().filter_map(|party| party.handling_timer));
    }
    meant.extend(engine.agents.values().filter_map(|state| state.reconnect_timer));
    for timer in &meant {
        ensure!(engine.timers.is_set(*timer), "{timer:?} is waited for and not set");
    }
    ensure!(engine.timers.len() == meant.len(), "{} timers, {} meant", engine.timers.len(), meant.len());
    Ok(())
}

fn lines_fit_rows(engine: &Engine) -> Result<(), String> {
    if !engine.changeover.is_over() {
        return Ok(());
    }
    let mut waiting: BTreeSet<_> = BTreeSet::new();
    for row in rows(engine).filter(|row| row.invitations().is_empty() && !row.is_held) {
        waiting.extend(line_of(row));
    }
    let mut free: BTreeSet<(LineId, Standing, AgentId)> = BTreeSet::new();
    for (agent, state) in &engine.agents {
        let reached_by =
            engine.setup.agents.get(agent).map(|setup| &setup.reached_by[..]).unwrap_or_default();
        for (media_type, standing) in &state.listed {
            for (strategy, step) in reached_by {
                free.insert((
                    LineId { strategy: *strategy, step: *step, media_type: *media_type },
                    *standing,
                    *agent,
                ));
            }
        }
    }
    let (kept_waiting, kept_free) = engine.lines.contents();
    ensure!(kept_waiting == waiting, "lines hold {kept_waiting:?}, the rows say {waiting:?}");
    ensure!(kept_free == free, "lines list {kept_free:?}, the agents say {free:?}");
    Ok(())
}

fn pulls_fit_rows(engine: &Engine) -> Result<(), String> {
    let chosen: Keys = engine.pulls.chosen().collect();
    let cached: Keys = rows(engine).filter(|row| row.state == State::Cached).map(|row| row.key).collect();
    ensure!(chosen == cached, "pulls have chosen {chosen:?}, cached are {cached:?}");
    Ok(())
}

fn views_show_what_matches(engine: &Engine) -> Result<(), String> {
    let now_seconds = (engine.now.0 / 1000) as i64;
    // Those whose turn to be looked at again comes in the next slices.
    let due: Keys = engine.views.due(engine.now, usize::MAX).into_iter().collect();
    for (position, view) in engine.setup.views.iter().enumerate().filter(|(_, view)| view.enabled) {
        let mut expected = Vec::new();
        let mut uncertain = due.clone();
        for row in rows(engine).filter(|row| row.queue == view.queue && row.is_visible_to_views()) {
            let facts = row.facts(&engine.vocabulary);
            if view.condition.next_change(&facts, now_seconds).unpredictable {
                uncertain.insert(row.key);
            } else if !due.contains(&row.key) && view.condition.evaluate(&facts, now_seconds).is_true() {
                expected.push((view.order.key(&facts), row.key));
            }
        }
        expected.sort();
        let expected: Vec<_> = expected.into_iter().map(|(_, key)| key).collect();
        let shown: Vec<_> = engine.views.matching(position).filter(|key| !uncertain.contains(key)).collect();
        ensure!(shown == expected, "view '{}' shows {shown:?}, not {expected:?}", view.name);
    }
    for (position, view) in engine.setup.views.iter().enumerate().filter(|(_, view)| !view.enabled) {
        ensure!(engine.views.len(position) == 0, "view '{}' is off and shows something", view.name);
    }
    Ok(())
}

fn workbins_hold_what_lies_there(engine: &Engine) -> Result<(), String> {
    let mut expected: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in rows(engine) {
        let Some(place) = row.workbin else { continue };
        let Some(setup) = engine.setup.workbins.get(&place.workbin) else { continue };
        expected
            .entry(place.id())
            .or_default()
            .push((setup.order.key(&row.facts(&engine.vocabulary)), row.key));
    }
    let contents = &engine.workbins.contents;
    for (place, lies_there) in &mut expected {
        lies_there.sort();
        let held: Vec<_> = contents.after(*place, None).cloned().collect();
        ensure!(held == *lies_there, "workbin {place:?} holds {held:?}, not {lies_there:?}");
    }
    let places = contents.counts_after(None).count();
    ensure!(places == expected.len(), "{places} workbins are held, the rows say {}", expected.len());
    Ok(())
}

/// When the engine rests, nothing that could be done is left undone.
fn nobody_waits_in_vain(engine: &Engine) -> Result<(), String> {
    for row in rows(engine).filter(|row| row.invitations().is_empty() && !row.is_held) {
        let Some((line, _)) = line_of(row) else { continue };
        let free = engine.lines.free(line).find(|agent| !engine.has_declined(row, *agent));
        ensure!(free.is_none(), "interaction {} waits for {free:?}, who is free", row.key);
    }
    for (position, view) in engine.setup.views.iter().enumerate() {
        let has_room = view.strategy.is_some_and(|strategy| engine.has_room(strategy));
        let waits = engine.views.len(position);
        ensure!(!has_room || waits == 0, "view '{}' shows {waits} although its strategy has room", view.name);
    }
    Ok(())
}
