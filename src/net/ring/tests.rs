use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use tokio::runtime::{Builder, LocalOptions};

use super::*;
use crate::clock::Duration;
use crate::measure::outcome::Failure;

/// Runs `test` on a ring, or not at all where the system has none (Linux before 6.1, most containers): aloud.
fn on_a_ring<F: Future<Output = ()>>(test: impl FnOnce(Ring) -> F) {
    let ring = match Ring::new() {
        Ok(ring) => ring,
        Err(error) => return eprintln!("skipped: no io_uring here: {error}"),
    };
    let runtime =
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        tokio::task::spawn_local(ring.clone().run());
        tokio::time::timeout(Duration::from_secs(60), test(ring)).await.unwrap();
    });
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn read(stream: &RingStream, into: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| stream.poll_read(cx, into)).await
}

async fn write_all(stream: &RingStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(bytes)])).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Bytes that tell where in the stream they are.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[test]
fn what_is_written_in_any_size_comes_back() {
    // Copied, copied to the byte, written at once, and more than the buffers between us hold.
    for length in [1, COPY_MAX, COPY_MAX + 1, 4 * 1024 * 1024] {
        let (listener, address) = listener();
        let echo = thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let mut got = vec![0; length];
            peer.read_exact(&mut got).unwrap();
            peer.write_all(&got).unwrap();
        });
        on_a_ring(|ring| async move {
            let stream = ring.connect(address, None).await.unwrap();
            let sent = pattern(length);
            write_all(&stream, &sent).await.unwrap();
            let (mut got, mut buffer) = (Vec::new(), vec![0; 700]);
            loop {
                match read(&stream, &mut buffer).await.unwrap() {
                    0 => break,
                    bytes => got.extend_from_slice(&buffer[..bytes]),
                }
            }
            assert!(got == sent, "{length} bytes");
        });
        echo.join().unwrap();
    }
}

#[test]
fn more_connections_have_input_than_there_are_buffers() {
    let (listener, address) = listener();
    let count = usize::from(Buffers::COUNT) + 100;
    let peers = thread::spawn(move || {
        let mut peers: Vec<TcpStream> = Vec::new();
        for number in 0..count {
            let (mut peer, _) = listener.accept().unwrap();
            write!(peer, "{number:08}").unwrap();
            peers.push(peer);
        }
        // They stay open until the other side has read.
        peers.iter_mut().for_each(|peer| assert_eq!(peer.read(&mut [0]).unwrap(), 0));
    });
    on_a_ring(|ring| async move {
        let mut streams = Vec::new();
        for _ in 0..count {
            let stream = ring.connect(address, None).await.unwrap();
            // Asks for input, and does not take it yet.
            poll_fn(|cx| {
                let _ = stream.poll_read(cx, &mut []);
                Poll::Ready(())
            })
            .await;
            streams.push(stream);
        }
        for (number, stream) in streams.iter().enumerate() {
            let mut buffer = [0; 8];
            let mut at = 0;
            while at < 8 {
                at += read(stream, &mut buffer[at..]).await.unwrap();
            }
            assert_eq!(buffer, *format!("{number:08}").as_bytes());
        }
    });
    peers.join().unwrap();
}

#[test]
fn what_was_written_goes_out_before_the_close() {
    let (listener, address) = listener();
    let peer = thread::spawn(move || {
        let mut got = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut got).map(|_| got)
    });
    on_a_ring(|ring| async move {
        let stream = ring.connect(address, None).await.unwrap();
        write_all(&stream, b"QUIT\r\n").await.unwrap();
        drop(stream);
    });
    assert_eq!(peer.join().unwrap().unwrap(), b"QUIT\r\n");
}

#[test]
fn a_close_can_be_a_reset() {
    let (listener, address) = listener();
    let peer = thread::spawn(move || listener.accept().unwrap().0.read_to_end(&mut Vec::new()));
    on_a_ring(|ring| async move {
        let stream = ring.connect(address, None).await.unwrap();
        poll_fn(|cx| {
            assert!(stream.poll_read(cx, &mut [0; 8]).is_pending());
            Poll::Ready(())
        })
        .await;
        stream.with_socket(|socket| socket.set_linger(Some(Duration::ZERO))).unwrap();
        drop(stream);
    });
    assert_eq!(peer.join().unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn nobody_listens_there() {
    let (listener, address) = listener();
    drop(listener);
    on_a_ring(|ring| async move {
        let error = ring.connect(address, None).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_connection_that_is_given_up_leaves_nothing_behind() {
    let (_listener, address) = listener();
    on_a_ring(|ring| async move {
        let mut connecting = Box::pin(ring.connect(address, None));
        poll_fn(|cx| {
            assert!(connecting.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(connecting);
        while !ring.0.borrow().connections.is_empty() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_reset_is_told_also_after_a_write_met_it() {
    let (listener, address) = listener();
    on_a_ring(|ring| async move {
        let stream = ring.connect(address, None).await.unwrap();
        let (peer, _) = listener.accept().unwrap();
        socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        thread::sleep(Duration::from_millis(20));
        // The write is queued, so it cannot know; the read does.
        write_all(&stream, b"EHLO client.test\r\n").await.unwrap();
        let error = read(&stream, &mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn what_came_before_a_reset_is_read_first() {
    let (listener, address) = listener();
    on_a_ring(|ring| async move {
        let stream = ring.connect(address, None).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        write_all(&stream, b"nobody reads this").await.unwrap();
        // Closing with unread input is a reset.
        peer.set_nonblocking(true).unwrap();
        while peer.peek(&mut [0]).is_err() {
            tokio::task::yield_now().await;
        }
        peer.write_all(b"421 bye\r\n").unwrap();
        let mut got = [0; 9];
        assert_eq!(read(&stream, &mut got).await.unwrap(), 9);
        assert_eq!(&got, b"421 bye\r\n");
        drop(peer);
        let error = read(&stream, &mut got).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_ring_that_fails_is_never_the_targets_fault() {
    let (listener, address) = listener();
    on_a_ring(|ring| async move {
        let stream = ring.connect(address, None).await.unwrap();
        // As a socket's error this would be a full queue of the target.
        ring.0.borrow_mut().break_down(&io::ErrorKind::WouldBlock.into());
        let error = read(&stream, &mut [0; 8]).await.unwrap_err();
        assert_eq!(connect::classify(&error), Failure::Internal);
        let error = ring.connect(address, None).await.unwrap_err();
        assert_eq!(connect::classify(&error), Failure::Internal);
        drop(listener);
    });
}

#[test]
fn more_than_one_batch_goes_out_whole() {
    let (listener, address) = listener();
    // Some batches, and fewer than a listen queue takes.
    let count = 100;
    let peers = thread::spawn(move || {
        for _ in 0..count {
            let mut line = [0; 6];
            let (mut peer, _) = listener.accept().unwrap();
            peer.read_exact(&mut line).unwrap();
            assert_eq!(&line, b"NOOP\r\n");
        }
    });
    on_a_ring(|ring| async move {
        let mut streams = Vec::new();
        for _ in 0..count {
            streams.push(ring.connect(address, None).await.unwrap());
        }
        // All of them in one poll of one task.
        for stream in &streams {
            write_all(stream, b"NOOP\r\n").await.unwrap();
        }
        for stream in &streams {
            assert_eq!(read(stream, &mut [0; 8]).await.unwrap(), 0);
        }
    });
    peers.join().unwrap();
}
