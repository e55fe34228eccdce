//! What the desk does, case by case.

use super::desk::{ATTEMPTS_TO_FINISH, Action, Desk, Input};

fn id() -> String {
    "i1".to_owned()
}

fn login(held: Vec<String>) -> Input {
    Input::LoggedIn { held, more: false, not_ready: Vec::new() }
}

fn logged_in() -> Desk {
    let mut desk = Desk::default();
    assert_eq!(desk.handle(login(vec![])), []);
    desk
}

fn handling() -> Desk {
    let mut desk = logged_in();
    desk.handle(Input::Invited { ticket_id: 7, interaction_id: id() });
    desk.handle(accepted(false));
    desk
}

fn accepted(repeated: bool) -> Input {
    Input::Accepted { ticket_id: 7, interaction_id: id(), repeated }
}

#[test]
fn an_offer_is_accepted_thought_about_and_finished() {
    let mut desk = logged_in();
    let accept = Action::Accept { ticket_id: 7, interaction_id: id() };
    assert_eq!(desk.handle(Input::Invited { ticket_id: 7, interaction_id: id() }), [accept]);
    let think = Action::Think { interaction_id: id() };
    assert_eq!(desk.handle(accepted(false)), [think]);
    let finish = Action::Finish { interaction_id: id() };
    assert_eq!(desk.handle(Input::Thought { interaction_id: id() }), [finish]);
    assert_eq!(desk.holding(), 1);
    assert_eq!(desk.handle(Input::Finished { interaction_id: id() }), []);
    assert_eq!((desk.accepted(), desk.finished(), desk.holding()), (1, 1, 0));
}

#[test]
fn a_refused_or_revoked_offer_leaves_nothing() {
    let mut desk = logged_in();
    desk.handle(Input::Invited { ticket_id: 7, interaction_id: id() });
    desk.handle(Input::NotAccepted { ticket_id: 7 });
    assert_eq!((desk.accepted(), desk.holding()), (0, 0));
    let mut desk = handling();
    desk.handle(Input::Revoked { interaction_id: id() });
    assert_eq!(desk.handle(Input::Thought { interaction_id: id() }), []);
    assert_eq!(desk.holding(), 0);
}

#[test]
fn held_interactions_are_finished_after_the_next_login() {
    let mut desk = Desk::default();
    let think = Action::Think { interaction_id: id() };
    assert_eq!(desk.handle(login(vec![id()])), [think]);
    desk.handle(Input::Disconnected);
    assert_eq!(desk.handle(Input::Thought { interaction_id: id() }), [], "nobody to tell");
    let finish = Action::Finish { interaction_id: id() };
    assert_eq!(desk.handle(login(vec![id()])), [finish]);
    desk.handle(Input::Finished { interaction_id: id() });
    assert_eq!((desk.accepted(), desk.finished(), desk.holding()), (0, 1, 0));
}

#[test]
fn what_the_server_took_meanwhile_is_forgotten() {
    let mut desk = handling();
    desk.handle(Input::Disconnected);
    assert_eq!(desk.handle(login(vec![])), []);
    assert_eq!(desk.handle(Input::Thought { interaction_id: id() }), []);
    assert_eq!(desk.holding(), 0);
}

#[test]
fn an_accept_whose_answer_was_lost_counts_once_and_is_finished_once() {
    let mut desk = logged_in();
    desk.handle(Input::Invited { ticket_id: 7, interaction_id: id() });
    desk.handle(Input::Disconnected);
    let think = Action::Think { interaction_id: id() };
    assert_eq!(desk.handle(login(vec![id()])), [think]);
    assert_eq!(desk.handle(accepted(true)), [], "thinks already");
    desk.handle(Input::Thought { interaction_id: id() });
    desk.handle(Input::Finished { interaction_id: id() });
    assert_eq!((desk.accepted(), desk.finished(), desk.holding()), (1, 1, 0));
}

#[test]
fn an_accept_whose_answer_was_lost_with_the_work_begins_nothing() {
    let mut desk = logged_in();
    desk.handle(Input::Invited { ticket_id: 7, interaction_id: id() });
    desk.handle(Input::Disconnected);
    desk.handle(login(vec![]));
    assert_eq!(desk.handle(accepted(true)), []);
    assert_eq!((desk.accepted(), desk.holding()), (1, 0));
}

#[test]
fn the_end_of_an_old_offer_leaves_the_new_one() {
    let mut desk = logged_in();
    desk.handle(Input::Invited { ticket_id: 6, interaction_id: id() });
    desk.handle(Input::Disconnected);
    desk.handle(login(vec![]));
    desk.handle(Input::Invited { ticket_id: 7, interaction_id: id() });
    desk.handle(Input::NotAccepted { ticket_id: 6 });
    assert_eq!(desk.holding(), 1);
    assert_eq!(desk.handle(accepted(false)), [Action::Think { interaction_id: id() }]);
}

#[test]
fn a_stop_in_flight_at_a_login_is_not_sent_twice() {
    let mut desk = handling();
    desk.handle(Input::Thought { interaction_id: id() });
    desk.handle(Input::Disconnected);
    assert_eq!(desk.handle(login(vec![id()])), []);
    desk.handle(Input::Finished { interaction_id: id() });
    assert_eq!((desk.finished(), desk.holding()), (1, 0));
}

#[test]
fn finishing_is_tried_again_but_not_for_ever() {
    let mut desk = handling();
    for _ in 1..ATTEMPTS_TO_FINISH {
        assert_eq!(desk.handle(Input::Thought { interaction_id: id() }).len(), 1);
        let think = Action::Think { interaction_id: id() };
        assert_eq!(desk.handle(Input::NotFinished { interaction_id: id(), gone: false }), [think]);
    }
    desk.handle(Input::Thought { interaction_id: id() });
    assert_eq!(desk.handle(Input::NotFinished { interaction_id: id(), gone: false }), []);
    assert_eq!((desk.finished(), desk.holding()), (0, 0));
}

#[test]
fn what_has_ended_is_not_tried_again() {
    let mut desk = handling();
    desk.handle(Input::Thought { interaction_id: id() });
    assert_eq!(desk.handle(Input::NotFinished { interaction_id: id(), gone: true }), []);
    assert_eq!(desk.holding(), 0);
}

#[test]
fn a_stop_refused_before_the_login_waits_for_it() {
    let mut desk = handling();
    desk.handle(Input::Thought { interaction_id: id() });
    desk.handle(Input::Disconnected);
    assert_eq!(desk.handle(Input::NotFinished { interaction_id: id(), gone: false }), []);
    let finish = Action::Finish { interaction_id: id() };
    assert_eq!(desk.handle(login(vec![id()])), [finish]);
}

#[test]
fn who_was_made_not_ready_becomes_ready() {
    let ready = Action::BecomeReady { media_type: "email".to_owned() };
    let made_not_ready = Input::MadeNotReady { media_type: "email".to_owned() };
    assert_eq!(logged_in().handle(made_not_ready), std::slice::from_ref(&ready));
    let resumed = Input::LoggedIn { held: Vec::new(), more: false, not_ready: vec!["email".to_owned()] };
    assert_eq!(logged_in().handle(resumed), [ready]);
}

#[test]
fn what_the_answer_to_a_login_has_no_room_for_is_looked_for_and_finished() {
    let more = |held| Input::LoggedIn { held, more: true, not_ready: Vec::new() };
    let other = |name: &str| name.to_owned();
    let mut desk = Desk::default();
    desk.handle(login(vec![id(), other("i2"), other("i3")]));
    desk.handle(Input::Disconnected);
    desk.handle(Input::Thought { interaction_id: other("i2") });
    desk.handle(Input::Thought { interaction_id: other("i3") });
    // He still thinks about i1; of i2 and i3 nothing is known before the rest is found.
    assert_eq!(desk.handle(more(vec![id()])), [Action::FindHeld]);
    assert_eq!(desk.holding(), 3);
    // What ends before the answer comes may stand in it.
    desk.handle(Input::Thought { interaction_id: id() });
    desk.handle(Input::Finished { interaction_id: id() });
    let found = Input::Found { held: vec![id(), other("i2"), other("i4")] };
    let finish = Action::Finish { interaction_id: other("i2") };
    let think = Action::Think { interaction_id: other("i4") };
    assert_eq!(desk.handle(found), [finish, think]);
    assert_eq!(desk.holding(), 2, "i3 was taken from him");
}

#[test]
fn what_is_found_after_the_next_loss_counts_no_more() {
    let mut desk = Desk::default();
    let more = Input::LoggedIn { held: Vec::new(), more: true, not_ready: Vec::new() };
    assert_eq!(desk.handle(more), [Action::FindHeld]);
    desk.handle(Input::Disconnected);
    assert_eq!(desk.handle(Input::Found { held: vec![id()] }), []);
    assert_eq!(desk.holding(), 0);
}
