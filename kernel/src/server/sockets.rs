//! The five sockets that clients reach.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::request::Request;
use crate::connection::{Channel, ConnectionInfo};
use crate::event::Event;
use crate::message::Session;
use crate::wire::Frames;
use crate::zmtp::{Kind, Multipart, Socket, ZmtpError};

/// How long the last messages of a kernel that ends may take.
const FLUSH: std::time::Duration = std::time::Duration::from_millis(500);

/// The sockets of one connection.
pub(super) struct Sockets {
    shell: Socket,
    control: Socket,
    stdin: Socket,
    iopub: Socket,
    _heartbeat: Socket,
}

impl Sockets {
    /// Binds all five; what clients send becomes events.
    pub(super) async fn bind(
        connection: &ConnectionInfo,
        session: &Session,
        events: &mpsc::UnboundedSender<Event>,
    ) -> Result<Sockets, ZmtpError> {
        // All five, as in ipykernel: the heartbeat too tells who is there.
        let security = &connection.security;
        let router = async |channel: Channel| {
            let events = events.clone();
            let on_message = move |multipart| {
                // Nobody listens only when the kernel ends.
                let _ = events.send(Event::Client(channel, multipart));
            };
            Socket::bind(&connection.endpoint(channel), Kind::Router, security, on_message).await
        };
        let session = session.clone();
        let welcome =
            Box::new(move |topic: &[u8]| session.iopub_welcome(topic).map(Frames::into_multipart));
        let iopub = connection.endpoint(Channel::IoPub);
        let heartbeat = connection.endpoint(Channel::Heartbeat);
        Ok(Sockets {
            iopub: Socket::bind(&iopub, Kind::Publisher { welcome }, security, |_| ()).await?,
            _heartbeat: Socket::bind(&heartbeat, Kind::Echo, security, |_| ()).await?,
            shell: router(Channel::Shell).await?,
            control: router(Channel::Control).await?,
            stdin: router(Channel::Stdin).await?,
        })
    }

    /// Sends to the client whose routing id is the first frame.
    pub(super) fn send(&self, channel: Channel, multipart: Multipart) {
        match channel {
            Channel::Shell => self.shell.send(multipart),
            Channel::Control => self.control.send(multipart),
            Channel::Stdin => self.stdin.send(multipart),
            Channel::IoPub | Channel::Heartbeat => {}
        }
    }

    /// Answers a request.
    pub(super) fn reply(&self, request: &Request, reply: Frames) {
        let reply = reply.with_identities(request.frames.identities.clone());
        self.send(request.channel, reply.into_multipart());
    }

    /// Sends to all subscribers.
    pub(super) fn publish(&self, messages: Vec<Frames>) {
        for mut frames in messages {
            if frames.identities.is_empty() {
                frames.identities.push(Bytes::from_static(b"datarus"));
            }
            self.iopub.send(frames.into_multipart());
        }
    }

    /// Waits until what was sent is on its way.
    pub(super) async fn flush(&self) {
        for socket in [&self.shell, &self.control, &self.iopub] {
            socket.flush(FLUSH).await;
        }
    }
}
