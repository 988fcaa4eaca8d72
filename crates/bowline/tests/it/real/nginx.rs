//! nginx before Mosquitto: it ends TLS, or passes on WebSocket from one path for those who know a header.

use std::net::SocketAddr;

use bowline::transport::{ConnectErrorKind, WebSocket};
use bowline_testkit::ports::free_address;

use crate::counterpart::program::Folder;
use crate::real::mosquitto::Papers;
use crate::real::service::{Service, Which};
use crate::real::{Restart, Route};

/// Where Debian's package libnginx-mod-stream puts the module.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

const KEY: &str = "a-key-of-the-tests";

/// Its workers are another user's, so it gets folders of its own, which it hands to them.
async fn nginx(first_lines: &str, block: &str, listens: &[SocketAddr]) -> Service {
    let text = format!("{first_lines}daemon off;\npid nginx.pid;\nworker_processes 1;\nevents {{}}\n{block}");
    Service::start(Which::Nginx, Folder::new(), &text, listens).await
}

/// A web server, in the clear and with TLS, that has this and else nothing.
pub(super) async fn web_server(
    papers: &Papers,
    plain: SocketAddr,
    secure: SocketAddr,
    location: &str,
) -> Service {
    let block = format!(
        "http {{\n access_log off;\n client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;\n \
         uwsgi_temp_path t4; scgi_temp_path t5;\n server {{\n  listen {plain}; listen {secure} ssl;\n  \
         ssl_certificate {}; ssl_certificate_key {};\n  {location} }}\n}}\n",
        papers.file("server.crt"),
        papers.file("server.key")
    );
    nginx("", &block, &[plain, secure]).await
}

#[tokio::test]
#[ignore = "needs Debian's nginx, libnginx-mod-stream and mosquitto; .ci/run runs it with --include-ignored"]
async fn nginx_ends_tls_before_mosquitto_and_takes_clients_back_after_a_restart() {
    let papers = Papers::new();
    let (front, plain) = (free_address(), free_address());
    let _mosquitto = Service::mosquitto(Folder::new(), plain, &[]).await;
    let block = format!(
        "stream {{ server {{ listen {front} ssl; ssl_certificate {}; ssl_certificate_key {}; proxy_pass {plain}; }} }}\n",
        papers.file("server.crt"),
        papers.file("server.key")
    );
    let mut nginx = nginx(&format!("load_module {STREAM_MODULE};\n"), &block, &[front]).await;
    let route = Route::new(format!("mqtts://localhost:{}", front.port())).tls(papers.trusting());
    route.carries(&mut nginx).await;
}

#[tokio::test]
#[ignore = "needs Debian's nginx and mosquitto; .ci/run runs it with --include-ignored"]
async fn nginx_passes_on_websocket_from_one_path_with_a_header_and_takes_clients_back_after_a_restart() {
    let papers = Papers::new();
    let (front, secure, plain, web) = (free_address(), free_address(), free_address(), free_address());
    let options = "protocol websockets\n".to_owned();
    let mut mosquitto = Service::mosquitto(Folder::new(), plain, &[(web, options)]).await;
    let location = format!(
        "location = /fleet/mqtt {{\n   \
         if ($http_x_fleet_key != \"{KEY}\") {{ return 403; }}\n   proxy_pass http://{web}/mqtt;\n   \
         proxy_http_version 1.1;\n   proxy_set_header Upgrade $http_upgrade;\n   \
         proxy_set_header Connection upgrade;\n  }}\n"
    );
    let mut nginx = web_server(&papers, front, secure, &location).await;
    let with_key = || WebSocket::new().header("X-Fleet-Key", KEY);
    let plainly = |path: &str| Route::new(format!("ws://{front}{path}"));
    plainly("/fleet/mqtt").websocket(with_key()).carries(&mut nginx).await;
    let securely = Route::new(format!("wss://localhost:{}/fleet/mqtt", secure.port()));
    securely.tls(papers.trusting()).websocket(with_key()).carries(&mut nginx).await;

    let kind = ConnectErrorKind::WebSocket;
    let wrong = WebSocket::new().header("X-Fleet-Key", "another-key-of-the-tests");
    let text = plainly("/fleet/mqtt").websocket(wrong).is_refused(kind, "HTTP 403").await;
    assert!(!text.contains("another-key"), "{text}");
    let text = plainly("/elsewhere?token=zzz").websocket(with_key()).is_refused(kind, "check the path").await;
    assert!(text.contains("HTTP 404") && !text.contains("zzz") && !text.contains(KEY), "{text}");
    mosquitto.stop();
    plainly("/fleet/mqtt").websocket(with_key()).is_refused(kind, "HTTP 502").await;
}
