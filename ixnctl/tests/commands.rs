//! The program as its users run it, against a stand-in that speaks the real protocol.
// The helpers of a test may panic as the test does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program;
mod stand_in;

use std::io::Write as _;
use std::process::Stdio;

use program::{DEADLINE, code, command, count, eventually, ixnctl, lines_of_e_mail, objects, path, said};
use serde_json::{Value, json};
use stand_in::StandIn;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

#[tokio::test]
async fn a_server_that_starts_late_is_waited_for_and_that_is_said() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let mut children = Vec::new();
    for arguments in [&["queues"][..], &["submit"], &["agent", "--auto", "--until-empty"]] {
        // Without the scheme, which may be left out.
        let mut child = command(&address.to_string(), &[arguments, &["--connect-timeout", "55s"]].concat());
        let mut child = child.spawn().unwrap();
        let mut remarks = BufReader::new(child.stderr.take().unwrap()).lines();
        let remark = timeout(DEADLINE, remarks.next_line()).await.unwrap().unwrap().expect("a remark");
        assert!(remark.contains(&format!("nobody serves at http://{address}")), "{remark}");
        children.push((child, remarks));
    }
    let _server = StandIn::start_at(address).await;
    for (mut child, mut remarks) in children {
        let remark = timeout(DEADLINE, remarks.next_line()).await.unwrap().unwrap().expect("a remark");
        assert!(remark.contains("connected to"), "{remark}");
        assert!(timeout(DEADLINE, child.wait()).await.unwrap().unwrap().success());
    }
}

#[tokio::test]
async fn that_the_database_is_away_is_said_once_and_that_it_is_back() {
    let server = StandIn::start().await;
    let file = lines_of_e_mail(50);
    server.world().refusals_without_database = 150;
    let output = ixnctl(&server.url(), &["submit", "--json", path(file.path())]).await;
    assert_eq!(code(&output), 0);
    assert_eq!(objects(&output).last().map(|summary| summary["submitted"].clone()), Some(json!(50)));
    let said = said(&output);
    assert_eq!(count(&said, "DATABASE_UNAVAILABLE"), 1, "{said}");
    assert_eq!(count(&said, "answers again"), 1, "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[tokio::test]
async fn a_watch_that_begins_while_the_database_is_away_says_so_once() {
    let server = StandIn::start().await;
    server.world().refusals_without_database = 3;
    let mut watch = command(&server.url(), &["watch", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let line = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().expect("the full state");
    assert!(line.contains("event_reporting_state_end"), "{line}");
    watch.start_kill().unwrap();
    let said = said(&watch.wait_with_output().await.unwrap());
    assert_eq!(count(&said, "refuses for now, trying again: DATABASE_UNAVAILABLE"), 1, "{said}");
    assert_eq!(count(&said, "answers again"), 1, "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[tokio::test]
async fn names_that_there_are_not_are_said_at_once_with_near_ones() {
    let server = StandIn::start().await;
    let agents = ixnctl(&server.url(), &["agent", "--auto", "--agents", "alice,alise,zoe"]).await;
    assert_eq!(code(&agents), 1);
    let remarks = said(&agents);
    for part in ["agent alise: ", "did you mean 'alice'?", "agent zoe: "] {
        assert!(remarks.contains(part), "{part}: {remarks}");
    }
    let by_hand = ixnctl(&server.url(), &["agent", "bobb"]).await;
    assert_eq!(code(&by_hand), 1);
    assert!(said(&by_hand).contains("did you mean 'bob'?"), "{by_hand:?}");
    let wait = ["agent", "--auto", "--agents", "alice", "--until-empty", "--queue", "inbox,overflw"];
    let queues = ixnctl(&server.url(), &wait).await;
    assert_eq!(code(&queues), 2);
    assert!(said(&queues).contains("there is no queue 'overflw'; did you mean 'overflow'?"), "{queues:?}");
    let place = ["agent", "--auto", "--agents", "alice", "--done", "place:inbx"];
    assert_eq!(code(&ixnctl(&server.url(), &place).await), 2);
}

#[tokio::test]
async fn what_the_server_refuses_to_a_crew_is_told_once_and_counted() {
    let server = StandIn::start().await;
    ixnctl(&server.url(), &["submit", path(lines_of_e_mail(5).path())]).await;
    server.world().refused_accepts = 3;
    let output = ixnctl(&server.url(), &["agent", "--auto", "--until-empty", "--json"]).await;
    assert_eq!(code(&output), 0);
    assert_eq!(objects(&output), [json!({"accepted": 5, "stopped": 5, "refused": 3})]);
    let said = said(&output);
    assert_eq!(count(&said, "refused to accept: UNKNOWN_TICKET (46)"), 1, "{said}");
    assert_eq!(count(&said, "refused to accept 3 times: UNKNOWN_TICKET"), 1, "{said}");
}

#[tokio::test]
async fn verbose_tells_what_the_connection_does_and_not_every_frame() {
    let server = StandIn::start().await;
    let output = ixnctl(&server.url(), &["submit", "--verbose"]).await;
    let said = said(&output);
    assert_eq!(count(&said, "connected"), 1, "{said}");
    assert!(!said.contains("h2") && !said.contains("hyper"), "{said}");
}

#[tokio::test]
async fn watch_from_zero_begins_with_the_oldest_event_that_is_held() {
    let server = StandIn::start().await;
    ixnctl(&server.url(), &["submit", path(lines_of_e_mail(3).path())]).await;
    ixnctl(&server.url(), &["stop", "--queue", "inbox"]).await;
    let events = async |from: &[&str]| {
        let watch = [&["watch", "--json", "--count", "3"], from].concat();
        let output = timeout(DEADLINE, command(&server.url(), &watch).output()).await;
        objects(&output.expect("there are three events").unwrap())
    };
    let all = events(&["--from", "0"]).await;
    let kinds: Vec<&str> = all.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(kinds, ["event_processing_stopped"; 3]);
    let second = all[1]["event_number"].as_u64().unwrap();
    let mut rest = command(&server.url(), &["watch", "--json", "--count", "1", "--from"]);
    let rest = timeout(DEADLINE, rest.arg(second.to_string()).output()).await.unwrap().unwrap();
    assert_eq!(objects(&rest), all[2..]);
}

#[tokio::test]
async fn e_mail_is_submitted_once_however_often_it_is_run() {
    let server = StandIn::start().await;
    let folder = tempfile::tempdir().unwrap();
    for (name, subject) in [("a.eml", "one"), ("b.eml", "two")] {
        std::fs::write(folder.path().join(name), format!("From: a@example.com\nSubject: {subject}\n\nx"))
            .unwrap();
    }
    std::fs::write(folder.path().join("c.eml"), "\u{0}\u{1} no e-mail").unwrap();
    let arguments = ["submit", "--json", "--eml", path(folder.path())];

    let first = ixnctl(&server.url(), &arguments).await;
    assert_eq!(code(&first), 0, "a broken e-mail is skipped, not fatal");
    let summary =
        json!({"files": 3, "submitted": 2, "already": 0, "skipped": 1, "failed": 0, "not_tried": 0});
    assert_eq!(objects(&first).last(), Some(&summary));

    let second = ixnctl(&server.url(), &arguments).await;
    let summary =
        json!({"files": 3, "submitted": 0, "already": 2, "skipped": 1, "failed": 0, "not_tried": 0});
    assert_eq!(objects(&second).last(), Some(&summary));
    assert_eq!(server.world().interactions.len(), 2);
}

#[tokio::test]
async fn json_lines_come_from_standard_input_and_bad_ones_are_reported_by_number() {
    let server = StandIn::start().await;
    let mut child = command(&server.url(), &["submit", "--json"]).stdin(Stdio::piped()).spawn().unwrap();
    let lines = "{\"media_type\":\"email\",\"user_data\":{\"Subject\":\"x\"}}\nnonsense\n\
        {\"MediaType\":\"chat\",\"Queue\":\"overflow\"}\n{\"media_type\":\"chat\",\"queue\":\"nowhere\"}\n";
    child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let output = timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(code(&output), 1);
    let objects = objects(&output);
    let outcomes: Vec<(u64, &str)> = objects
        .iter()
        .filter_map(|object| Some((object["line"].as_u64()?, object["outcome"].as_str()?)))
        .collect();
    assert_eq!(outcomes, [(1, "submitted"), (2, "skipped"), (3, "submitted"), (4, "failed")]);
    assert_eq!(
        objects[4],
        json!({"lines": 4, "submitted": 2, "already": 0, "skipped": 1, "failed": 1, "not_tried": 0})
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("skipped line 2: "));
}

#[tokio::test]
async fn what_is_looked_up_is_what_is_there() {
    let server = StandIn::start().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for number in 0..5 {
        writeln!(file, "{{\"media_type\":\"email\",\"user_data\":{{\"Number\":{number}}}}}").unwrap();
    }
    let submitted = ixnctl(&server.url(), &["submit", "--json", path(file.path())]).await;
    let first = objects(&submitted)[0]["interaction_id"].as_str().unwrap().to_owned();

    let listed = ixnctl(&server.url(), &["interactions", "--json", "--queue", "inbox"]).await;
    assert_eq!(objects(&listed).len(), 5, "all pages");
    let listed = ixnctl(&server.url(), &["interactions", "--json", "--limit", "3"]).await;
    assert_eq!(objects(&listed).len(), 3);
    let shown = ixnctl(&server.url(), &["show", &first, "--json"]).await;
    assert_eq!(objects(&shown)[0]["interaction"]["user_data"]["Number"], 0);
    let queues = ixnctl(&server.url(), &["queues", "--json"]).await;
    assert_eq!(objects(&queues)[0]["media"][0]["waiting_processing"], 5);
    let views = ixnctl(&server.url(), &["views"]).await;
    assert!(String::from_utf8_lossy(&views.stdout).contains("everything  inbox  general"), "{views:?}");
}

#[tokio::test]
async fn an_operator_moves_and_stops_named_or_chosen_interactions() {
    let server = StandIn::start().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for _ in 0..5 {
        writeln!(file, "{{\"media_type\":\"email\"}}").unwrap();
    }
    let submitted = ixnctl(&server.url(), &["submit", "--json", path(file.path())]).await;
    let id = objects(&submitted)[0]["interaction_id"].as_str().unwrap().to_owned();

    let moved = ixnctl(&server.url(), &["move", &id, "--to", "overflow", "--json"]).await;
    assert_eq!(objects(&moved).last(), Some(&json!({"moved": 1, "failed": 0, "not_tried": 0})));
    assert_eq!(server.world().interactions[&id].queue, "overflow");

    let stopped = ixnctl(&server.url(), &["stop", "--queue", "inbox", "--json"]).await;
    assert_eq!(objects(&stopped).last(), Some(&json!({"stopped": 4, "failed": 0, "not_tried": 0})));
    let again = ixnctl(&server.url(), &["stop", "nothing", &id, "--json"]).await;
    assert_eq!(code(&again), 1);
    assert_eq!(objects(&again).last(), Some(&json!({"stopped": 1, "failed": 1, "not_tried": 0})));
    assert!(server.world().interactions.is_empty());

    let everything = ixnctl(&server.url(), &["stop"]).await;
    assert_eq!(code(&everything), 2, "nothing named is not everything");
}

#[tokio::test]
async fn a_crew_works_until_all_is_empty_although_the_connection_is_lost() {
    let server = StandIn::start().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for _ in 0..40 {
        writeln!(file, "{{\"media_type\":\"email\"}}").unwrap();
    }
    ixnctl(&server.url(), &["submit", path(file.path())]).await;
    server.world().lose_connection_after_accepts = Some(15);
    let arguments = ["agent", "--auto", "--until-empty", "--timeout", "50s", "--think", "1ms", "--json"];
    let output = ixnctl(&server.url(), &arguments).await;
    assert_eq!(code(&output), 0);
    // Refused are the offers of before the loss.
    let summary = &objects(&output)[0];
    assert_eq!((&summary["accepted"], &summary["stopped"]), (&json!(40), &json!(40)));
    let said = said(&output);
    assert_eq!(count(&said, "connecting to http"), 1, "{said}");
    assert_eq!(count(&said, "answers again"), 1, "{said}");
    let world = server.world();
    assert_eq!((world.accepted, world.stopped), (40, 40), "nothing twice");
    assert!(world.lose_connection_after_accepts.is_none(), "the connection was lost");
    assert!(world.interactions.is_empty());
}

#[tokio::test]
async fn a_stop_whose_answer_was_lost_counts_once_and_is_no_refusal() {
    let server = StandIn::start().await;
    ixnctl(&server.url(), &["submit", path(lines_of_e_mail(20).path())]).await;
    server.world().lost_answers_to_stops = 2;
    server.world().refusals_after_loss = 40;
    let arguments = ["agent", "--auto", "--until-empty", "--timeout", "50s", "--json"];
    let output = ixnctl(&server.url(), &arguments).await;
    assert_eq!(code(&output), 0);
    let summary = &objects(&output)[0];
    assert_eq!((&summary["accepted"], &summary["stopped"]), (&json!(20), &json!(20)), "{summary}");
    let world = server.world();
    assert_eq!((world.accepted, world.stopped), (20, 20), "what really happened");
    assert_eq!((world.lost_answers_to_stops, world.refusals_after_loss), (0, 0), "it happened");
    assert_eq!(world.not_logged_in, 0, "repeats come after the login");
    assert_eq!(count(&said(&output), "refused to stop"), 0);
}

#[tokio::test]
async fn work_that_the_server_refuses_is_a_failure() {
    let server = StandIn::start().await;
    ixnctl(&server.url(), &["submit", path(lines_of_e_mail(1).path())]).await;
    let mut child = command(&server.url(), &["agent", "--auto", "--until-empty", "--think", "1s", "--json"]);
    let child = child.spawn().unwrap();
    eventually("an accept", || server.world().accepted > 0).await;
    // While he thinks, it goes.
    server.world().interactions.clear();
    let output = timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(code(&output), 1);
    assert_eq!(objects(&output), [json!({"accepted": 1, "stopped": 0, "refused": 1})]);
    assert!(said(&output).contains("refused to stop: UNKNOWN_INTERACTION"), "{output:?}");
}

#[tokio::test]
async fn a_queue_that_there_is_not_is_said_before_anything_is_done() {
    let server = StandIn::start().await;
    let file = lines_of_e_mail(2);
    let mail = tempfile::tempdir().unwrap();
    std::fs::write(mail.path().join("a.eml"), "From: a@example.com\nSubject: x\n\nx").unwrap();
    assert_eq!(code(&ixnctl(&server.url(), &["submit", "--eml", path(mail.path())]).await), 0);
    for arguments in [
        &["submit", "--queue", "inbx", path(file.path())][..],
        &["submit", "--queue", "inbx", "--eml", path(mail.path())],
        &["move", "--to", "inbx", "--queue", "inbox"],
        &["move", "--to", "inbx", "1"],
    ] {
        let output = ixnctl(&server.url(), arguments).await;
        assert_eq!(code(&output), 2, "{arguments:?}");
        let said = said(&output);
        assert!(said.contains("there is no queue 'inbx'; did you mean 'inbox'?"), "{arguments:?}: {said}");
    }
    assert_eq!(server.world().interactions.len(), 1, "only the first e-mail");
}

#[tokio::test]
async fn a_medium_that_the_server_does_not_have_is_told_with_the_options_that_name_others() {
    let server = StandIn::start().await;
    server.world().unknown_media_type = Some("email".to_owned());
    let output = ixnctl(&server.url(), &["agent", "alice"]).await;
    assert_eq!(code(&output), 1);
    let said = said(&output);
    assert!(
        said.contains("UNKNOWN_MEDIA_TYPE") && said.contains("--media") && said.contains("--config"),
        "{said}"
    );
    assert_eq!(code(&ixnctl(&server.url(), &["agent", "alice", "--media", "chat"]).await), 0);
}

#[tokio::test]
async fn a_crew_that_has_no_time_left_says_so() {
    let server = StandIn::start().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{{\"media_type\":\"email\",\"queue\":\"overflow\"}}").unwrap();
    ixnctl(&server.url(), &["submit", path(file.path())]).await;
    let wait = ["agent", "--auto", "--agents", "alice", "--until-empty", "--timeout", "300ms", "--json"];
    let only_routed = ixnctl(&server.url(), &wait).await;
    assert_eq!(code(&only_routed), 0, "nothing is routed from overflow");
    let with_overflow = ixnctl(&server.url(), &[&wait[..], &["--queue", "inbox,overflow"]].concat()).await;
    assert_eq!(code(&with_overflow), 124);
    assert_eq!(objects(&with_overflow), [json!({"accepted": 0, "stopped": 0, "refused": 0})]);
}

#[tokio::test]
async fn an_agent_works_by_hand() {
    let server = StandIn::start().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{{\"media_type\":\"email\"}}").unwrap();
    ixnctl(&server.url(), &["submit", path(file.path())]).await;
    let mut child =
        command(&server.url(), &["agent", "alice", "--json"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut orders = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for (awaited, order) in
        [(json!("event_invite"), "accept\n"), (json!("accept 1"), "done 1\n"), (json!("done 1"), "quit\n")]
    {
        loop {
            let line = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().expect("more to come");
            let object: Value = serde_json::from_str(&line).unwrap();
            if object["event"] == awaited || object["order"] == awaited {
                break;
            }
        }
        orders.write_all(order.as_bytes()).await.unwrap();
    }
    assert!(timeout(DEADLINE, child.wait()).await.unwrap().unwrap().success());
    let world = server.world();
    assert_eq!((world.accepted, world.stopped), (1, 1));
}

#[tokio::test]
async fn the_reporting_stream_is_one_object_a_line() {
    let server = StandIn::start().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{{\"media_type\":\"email\"}}").unwrap();
    ixnctl(&server.url(), &["submit", path(file.path())]).await;
    let mut child = command(&server.url(), &["watch", "--json", "--count", "1"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || {
        let line = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().expect("more to come");
        serde_json::from_str::<Value>(&line).unwrap()
    };
    assert_eq!(next().await["event"], "event_reporting_state_end");
    ixnctl(&server.url(), &["stop", "--queue", "inbox"]).await;
    let stopped = next().await;
    assert_eq!(stopped["event"], "event_processing_stopped");
    assert!(stopped["event_number"].as_u64() > Some(0), "{stopped}");
    assert!(timeout(DEADLINE, child.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn exit_codes_say_what_went_wrong() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    for (arguments, patience) in [
        (&["queues"][..], "300ms"),
        (&["submit"], "300ms"),
        (&["watch"], "0"),
        (&["agent", "--auto"], "0"),
        (&["load", "--lifecycles", "1"], "300ms"),
    ] {
        let output = ixnctl(&away, &[arguments, &["--connect-timeout", patience]].concat()).await;
        assert_eq!(code(&output), 69, "{arguments:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let said = said(&output);
        assert_eq!(count(&said, "waiting"), usize::from(patience != "0"), "{said}");
        assert!(said.contains(&away) && said.contains("--server") && said.contains("refused"), "{said}");
    }
    let server = StandIn::start().await;
    assert_eq!(code(&ixnctl(&server.url(), &["show", "nothing"]).await), 1);
    assert_eq!(code(&ixnctl(&server.url(), &["interactions", "--where", "?"]).await), 1);
    assert_eq!(code(&ixnctl(&server.url(), &["fly"]).await), 2);
    assert_eq!(code(&ixnctl(&server.url(), &["submit", "/nonexistent/lines"]).await), 2);
    assert_eq!(code(&ixnctl(&server.url(), &["submit", "--eml", "/nonexistent/mail"]).await), 2);
    assert_eq!(code(&ixnctl("ftp://x", &["queues"]).await), 2);
    assert_eq!(code(&ixnctl(&server.url(), &["interactions", "--limit", "0"]).await), 2);
}

#[tokio::test]
async fn an_agent_puts_things_into_workbins_and_takes_them_out() {
    let server = StandIn::start().await;
    ixnctl(&server.url(), &["submit", path(lines_of_e_mail(1).path())]).await;
    let mut child =
        command(&server.url(), &["agent", "alice", "--json"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut orders = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for (awaited, outcome, order) in [
        (json!("event_invite"), None, "accept\n"),
        (json!("accept 1"), Some("done"), "put drafts\n"),
        (json!("put drafts 1"), Some("done"), "workbin drafts\n"),
        (json!("workbin drafts"), Some("done"), "take drafts\n"),
        (json!("take drafts"), Some("done"), "workbin drafts/bob\n"),
        (json!("workbin drafts/bob"), Some("nothing there"), "pull everything\n"),
        (json!("pull everything"), Some("nothing there"), "put draft\n"),
        (json!("put draft 2"), Some("failed"), "done\n"),
        (json!("done 2"), Some("done"), "quit\n"),
    ] {
        loop {
            let line = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().expect("more to come");
            let object: Value = serde_json::from_str(&line).unwrap();
            if object["event"] == awaited || object["order"] == awaited && object.get("outcome").is_some() {
                assert_eq!(object["outcome"].as_str(), outcome, "{object}");
                break;
            }
        }
        orders.write_all(order.as_bytes()).await.unwrap();
    }
    assert!(timeout(DEADLINE, child.wait()).await.unwrap().unwrap().success());
    assert_eq!(server.world().stopped, 1);
}
