//! The options of TCP sockets, read back from the operating system.

use std::net::SocketAddr;
use std::time::Duration;

use bowline_transport::{
    ConnectError, ConnectErrorKind, Connector, Endpoint, ListenError, Listener, Stream, TcpAcceptor,
    TcpConnector, TcpKeepAlive, TcpOptions,
};
use socket2::SockRef;

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Both sides of one connection with the same options.
async fn connected(options: TcpOptions) -> [Stream; 2] {
    let acceptor = TcpAcceptor::bind_with(loopback(), options.clone(), 16).expect("there are free ports");
    let endpoint = Endpoint::from(acceptor.local_addr());
    let near = TcpConnector::new().options(options).connect(&endpoint).await.expect("it listens");
    [near, acceptor.accept().await.expect("a client waits")]
}

fn with_socket<T>(stream: &Stream, ask: impl FnOnce(SockRef<'_>) -> std::io::Result<T>) -> T {
    let socket = stream.as_fd().expect("a tcp stream has a socket");
    ask(SockRef::from(&socket)).expect("the option can be read")
}

#[tokio::test]
async fn the_defaults_are_no_delay_and_a_keep_alive_of_three_minutes() {
    for stream in connected(TcpOptions::new()).await {
        assert!(with_socket(&stream, |socket| socket.tcp_nodelay()));
        assert!(with_socket(&stream, |socket| socket.keepalive()));
        assert_eq!(with_socket(&stream, |socket| socket.tcp_keepalive_time()), Duration::from_secs(120));
        assert_eq!(with_socket(&stream, |socket| socket.tcp_keepalive_interval()), Duration::from_secs(15));
        assert_eq!(with_socket(&stream, |socket| socket.tcp_keepalive_retries()), 4);
    }
}

#[tokio::test]
async fn other_keep_alive_times_are_set_as_asked_for() {
    let keep_alive =
        TcpKeepAlive::new().idle(Duration::from_millis(6500)).interval(Duration::from_secs(3)).retries(9);
    for stream in connected(TcpOptions::new().keep_alive(Some(keep_alive))).await {
        assert_eq!(with_socket(&stream, |socket| socket.tcp_keepalive_time()), Duration::from_secs(7));
        assert_eq!(with_socket(&stream, |socket| socket.tcp_keepalive_interval()), Duration::from_secs(3));
        assert_eq!(with_socket(&stream, |socket| socket.tcp_keepalive_retries()), 9);
    }
}

#[tokio::test]
async fn no_delay_and_keep_alive_can_be_off() {
    for stream in connected(TcpOptions::new().no_delay(false).keep_alive(None)).await {
        assert!(!with_socket(&stream, |socket| socket.tcp_nodelay()));
        assert!(!with_socket(&stream, |socket| socket.keepalive()));
    }
}

#[tokio::test]
async fn the_buffers_have_the_sizes_asked_for() {
    // Linux doubles what is asked for; other systems do not.
    let asked = [20_000, 30_000];
    for stream in connected(TcpOptions::new().send_buffer_bytes(20_000).receive_buffer_bytes(30_000)).await {
        let sizes = [
            with_socket(&stream, |socket| socket.send_buffer_size()),
            with_socket(&stream, |socket| socket.recv_buffer_size()),
        ];
        assert!(sizes == asked || sizes == asked.map(|size| 2 * size), "{sizes:?}");
    }
}

#[tokio::test]
async fn an_option_that_the_system_refuses_is_named_before_anybody_connects() {
    let options = TcpOptions::new().keep_alive(Some(TcpKeepAlive::new().retries(1000)));
    let acceptor = TcpAcceptor::bind(loopback()).unwrap();
    let connector = TcpConnector::new().options(options.clone());
    let error = connector.connect(&Endpoint::from(acceptor.local_addr())).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Option);
    assert!(matches!(error, ConnectError::Option { option: "keep_alive", .. }), "{error:?}");
    assert!(error.to_string().contains("retries: 1000"), "{error}");

    let error = TcpAcceptor::bind_with(loopback(), options, 16).unwrap_err();
    assert!(matches!(error, ListenError::Option { option: "keep_alive", .. }), "{error:?}");
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
#[tokio::test]
async fn how_long_data_may_stay_unacknowledged_is_set_as_asked_for_and_not_without() {
    for asked in [None, Some(Duration::from_millis(7_500))] {
        let options = match asked {
            Some(limit) => TcpOptions::new().unacknowledged_max(limit),
            None => TcpOptions::new(),
        };
        for stream in connected(options).await {
            let set = with_socket(&stream, |socket| socket.tcp_user_timeout());
            assert_eq!(set.unwrap_or_default(), asked.unwrap_or_default());
        }
    }
}
