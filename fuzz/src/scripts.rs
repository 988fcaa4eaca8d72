//! Scripts to start the engines' targets from: whole exchanges, byte by byte. Knows how the targets read them.

/// Scripts for `server_engine`, with their names.
pub fn server_scripts() -> Vec<(String, Vec<u8>)> {
    const ACCEPT: &[u8] = &[2, 1, 0];
    const ACCEPT_AGAIN: &[u8] = &[2, 1, 1];
    let mut all = Vec::new();
    for version in 0..3u8 {
        let is_5 = version == 0;
        let connect = |clean: u8| {
            let properties: &[u8] = if is_5 { &[0, 0, 0, 0] } else { &[] };
            [&[1, clean], properties, &[0, 0, 0]].concat()
        };
        // Which of the four, then the reason where there is one, then the identifier.
        let ack = |which: u8| if is_5 { vec![8, which, 0, 0] } else { vec![8, which, 0] };
        let begin = [&[version, 0, 0, 0, 0, 0][..], &connect(u8::from(is_5)), ACCEPT].concat();
        let publish = |qos: u8, flags: u8| vec![5, 0, 1, qos, 0x40, 0, flags, 0];
        let send = |qos: u8| vec![18, 0, 1, qos, 0x40, 1];
        let subscribe: &[u8] = &[11, 0, 0, 0, 0, 1, 1, 21, 0, 0, 1, 1];
        let unsubscribe: &[u8] = &[12, 0, 1, 0, 21, 0, 0, 1, 0];
        let again = [&[17, 1, 23, version][..], &connect(0), ACCEPT_AGAIN].concat();
        let received = [publish(0, 0), vec![20, 0, 0], ack(2)].concat();
        let sent = [send(0), ack(1), ack(3), send(1), ack(0), send(2)].concat();
        let resumed =
            [publish(0, 0), send(0), again.clone(), publish(0, 1), vec![20, 0, 0], ack(2), ack(1)].concat();
        let ends: &[u8] = &[13, 15, 16, 15, 20, 22, 0x8E, 0];
        for (name, parts) in [
            ("receive", [&begin[..], &received, &publish(1, 0), &[20, 0, 0]].concat()),
            ("send", [&begin[..], &sent].concat()),
            ("resume", [&begin[..], &resumed].concat()),
            ("subscribe", [&begin[..], subscribe, unsubscribe].concat()),
            ("end", [&begin[..], &sent, ends].concat()),
            ("slow", [&begin[..], &[16, 0], &sent, &received, &[16, 1], &again].concat()),
        ] {
            all.push((format!("{name}-{version}"), parts));
        }
    }
    all
}

/// Scripts for `client_engine`, with their names.
pub fn client_scripts() -> Vec<(String, Vec<u8>)> {
    const STORED: &[u8] = &[26, 0, 26, 0];
    let mut all = Vec::new();
    for (version, session) in [(0u8, 0u8), (1, 0), (2, 0), (0, 1), (1, 1), (0, 2)] {
        let header = [version, 1, session, 0, 0, 0, 0, 0, 0];
        let is_5 = version == 0;
        let connack = |present: u8| match version {
            2 => vec![3, 0, 1],
            _ => vec![3, present, 0, 1],
        };
        let ack = |which: u8| if is_5 { vec![8, which, 0, 0] } else { vec![8, which, 0] };
        let begin =
            [&header[..], &[21, 0, 0, 0, 0, 0, 1], STORED, &[1, 26, 0, 2, 0], &connack(0), STORED].concat();
        let publish = |qos: u8| [&[18, 0, 1, qos, 0x40][..], STORED].concat();
        let receive = |qos: u8, flags: u8| vec![5, 0, 1, qos, 0x40, 0, flags, 0];
        let take = [&[23, 0, 1, 0xFF, 0][..], STORED].concat();
        let again = [&[17, 1, 15, 17][..], &[1, 2, 0], &connack(1), STORED].concat();
        let sent = [publish(0), ack(1), STORED.to_vec(), ack(3), publish(1), ack(0), publish(2)].concat();
        let received = [receive(0, 0), take.clone(), ack(2), STORED.to_vec()].concat();
        let resumed =
            [publish(0), receive(0, 0), again.clone(), ack(1), receive(0, 1), take.clone(), ack(2)].concat();
        for (name, parts) in [
            ("subscribe", [&begin[..], &[11, 0, 1, 0, 22, 1, 1], STORED, &[12, 0, 0]].concat()),
            ("send", [&begin[..], &sent].concat()),
            ("receive", [&begin[..], &received, &receive(1, 0), &take].concat()),
            ("resume", [&begin[..], &resumed].concat()),
            (
                "crash",
                [&begin[..], &publish(0), &receive(0, 0), &[27, 0, 1, 2, 0], &connack(1), STORED].concat(),
            ),
            ("store-fails", [&begin[..], &[18, 0, 1, 0, 0x40, 26, 0xFF], &sent, &[15, 9], STORED].concat()),
            ("end", [&begin[..], &sent, &[13, 0, 15, 16, 27, 2, 0, 0]].concat()),
        ] {
            all.push((format!("{name}-{version}-{session}"), parts));
        }
    }
    all
}
