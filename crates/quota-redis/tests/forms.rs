//! The text as a function and as a script: which one a server gets, and that both are given again.

#![cfg(test)]

mod support;

use redis::Value;
use support::Server;
use support::router::{NO_GRACE, Router, is_granted, store};
use weir_quota::StoreError;

/// How often a server executed a command.
async fn calls(server: &Server, command: &str) -> u64 {
    let Value::BulkString(text) = server.say(&["INFO", "commandstats"]).await else { panic!() };
    let text = String::from_utf8(text).unwrap();
    let wanted = format!("cmdstat_{command}:calls=");
    let line = text.lines().find_map(|line| line.strip_prefix(&wanted));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_server_with_functions_is_given_one_and_given_it_again() {
    let server = Server::start();
    let mut router = Router::ready(&store(&server, NO_GRACE), 1).await;
    server.say(&["FUNCTION", "FLUSH"]).await;
    assert!(is_granted(&router.acquire().await.unwrap()));
    assert_eq!(calls(&server, "function|load").await, 2);
    assert_eq!((calls(&server, "evalsha").await, calls(&server, "eval").await), (0, 0));
}

/// Old servers, servers that hide it, and users who may not: all that is left is the script.
#[tokio::test]
async fn a_server_without_functions_is_given_a_script_and_given_it_again() {
    let hidden = ["--rename-command", "FCALL", ""];
    let unloadable = ["--rename-command", "FUNCTION", ""];
    let denied = ["--user", "default", "on", "nopass", "~*", "&*", "+@all", "-fcall"];
    let fixed = ["--user", "default", "on", "nopass", "~*", "&*", "+@all", "-function|load"];
    for arguments in [&hidden[..], &unloadable, &denied, &fixed] {
        let server = Server::start_with(arguments);
        let mut router = Router::ready(&store(&server, NO_GRACE), 1).await;
        server.say(&["SCRIPT", "FLUSH"]).await;
        assert!(is_granted(&router.acquire().await.unwrap()), "{arguments:?}");
        router.send(vec![]).await.unwrap();
        let found = (calls(&server, "evalsha").await, calls(&server, "eval").await);
        // The first of each script's life is not known by its digest.
        assert_eq!(found, (4, 2), "{arguments:?}");
    }
}

/// An error on the way is no sign that there are no functions, and leaves nothing behind.
#[tokio::test]
async fn an_error_inside_of_the_function_is_past_with_its_cause() {
    let server = Server::start();
    let mut router = Router::ready(&store(&server, NO_GRACE), 1).await;
    assert!(is_granted(&router.acquire().await.unwrap()));
    let notes = "weir:v2:{acme}:notes";
    server.say(&["SET", notes, "not a hash"]).await;
    let found = router.cool_first().await;
    assert!(matches!(found, Err(StoreError::Corrupt(_))), "{found:?}");
    router.greet().await.unwrap();
    router.set_limits().await;
    router.restate_first().await;
    let status = router.send(vec![]).await.unwrap().status;
    assert_eq!((status.leases, status.cooling), (1, 0));
    let status = router.cool_first().await.unwrap().status;
    assert_eq!((status.leases, status.cooling), (0, 1));
    assert_eq!((calls(&server, "evalsha").await, calls(&server, "eval").await), (0, 0));
}
