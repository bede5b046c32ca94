"""A softphone on PJSIP. Says what happens to it, a line each, and does what a line on its input asks.

Called with: user, server's URI with its transport, this phone's address, the authority to trust or -,
srtp (off, optional, required), a WAV file to say, a folder for what it hears.
"""

import os
import queue
import sys
import threading
import time

import pjsua2 as pj

user, server, address, authority, srtp, says, folder = sys.argv[1:]
calls = {}
everyone = []
counter = 0


def say(*words):
    print(*words, flush=True)


class Call(pj.Call):
    def __init__(self, account, number=pj.PJSUA_INVALID_ID):
        global counter
        super().__init__(account, number)
        counter += 1
        self.name = str(counter)
        self.player = None
        self.recorder = None
        calls[self.name] = self
        everyone.append(self)

    def onCallState(self, prm):
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            say("talking", self.name)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            say("over", self.name, info.lastStatusCode)
            calls.pop(self.name, None)

    def onCallMediaState(self, prm):
        # Named, so that it outlives the loop: the list belongs to it.
        info = self.getInfo()
        for at, media in enumerate(info.media):
            say("media", self.name, media.status)
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self.sound(self.getAudioMedia(at))

    def sound(self, line):
        if self.player is None:
            self.player = pj.AudioMediaPlayer()
            self.player.createPlayer(says)
            self.recorder = pj.AudioMediaRecorder()
            self.recorder.createRecorder(f"{folder}/heard-{self.name}.wav")
        self.player.startTransmit(line)
        line.startTransmit(self.recorder)

    def onCallTransferStatus(self, prm):
        say("transferred", self.name, prm.statusCode, int(prm.finalNotify))
        prm.cont = True


class Account(pj.Account):
    def onRegState(self, prm):
        say("registered", prm.code)

    def onMwiInfo(self, prm):
        for line in prm.rdata.wholeMsg.splitlines():
            if line.startswith("Voice-Message:"):
                say("messages", line.split()[1])

    def onIncomingCall(self, prm):
        call = Call(self, prm.callId)
        info = call.getInfo()
        say("rings", call.name, info.remoteUri)


def do(words):
    command, rest = words[0], words[1:]
    prm = pj.CallOpParam(True)
    if command == "dial":
        call = Call(account)
        call.makeCall(rest[0], prm)
        say("dials", call.name)
        return
    if command == "rest":
        until = time.monotonic() + int(rest[0]) / 1000
        while time.monotonic() < until:
            endpoint.libHandleEvents(10)
        say("rested")
        return
    call = calls[rest[0]]
    if command == "answer":
        prm.statusCode = 200
        call.answer(prm)
    elif command == "hold":
        call.setHold(pj.CallOpParam())
    elif command == "resume":
        prm.opt.flag = pj.PJSUA_CALL_UNHOLD
        call.reinvite(prm)
    elif command == "update":
        call.update(prm)
    elif command == "digits":
        call.dialDtmf(rest[1])
    elif command == "transfer":
        call.xfer(rest[1], pj.CallOpParam())
    elif command == "join":
        call.xferReplaces(calls[rest[1]], pj.CallOpParam())
    elif command == "hangup":
        call.hangup(pj.CallOpParam())


def listen(orders):
    for line in sys.stdin:
        orders.put(line.split())
    orders.put(["quit"])


endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
config.uaConfig.threadCnt = 0
config.logConfig.level = 5
config.logConfig.consoleLevel = 0
config.logConfig.filename = f"{folder}/log"
config.logConfig.msgLogging = 1
config.medConfig.clockRate = 8000
config.medConfig.noVad = True
endpoint.libInit(config)
endpoint.audDevManager().setNullDev()
transport = pj.TransportConfig()
transport.boundAddress = address
transport.port = 0
kinds = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
kind = server.rsplit("=", 1)[1]
if kind == "tls":
    transport.tlsConfig.CaListFile = authority
    transport.tlsConfig.verifyServer = True
endpoint.transportCreate(kinds[kind], transport)
endpoint.libStart()
for codec in endpoint.codecEnum2():
    if not codec.codecId.startswith("PCM"):
        endpoint.codecSetPriority(codec.codecId, 0)

settings = pj.AccountConfig()
settings.idUri = f"sip:{user}@strowger.test"
settings.regConfig.registrarUri = server
settings.regConfig.timeoutSec = 120
settings.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, f"secret-{user}"))
settings.sipConfig.proxies.append(server + ";lr")
settings.mediaConfig.transportConfig.boundAddress = address
settings.mediaConfig.srtpUse = {
    "off": pj.PJMEDIA_SRTP_DISABLED,
    "optional": pj.PJMEDIA_SRTP_OPTIONAL,
    "required": pj.PJMEDIA_SRTP_MANDATORY,
}[srtp]
settings.mediaConfig.srtpSecureSignaling = 0
settings.mwiConfig.enabled = True
account = Account()
account.create(settings)

orders = queue.Queue()
threading.Thread(target=listen, args=(orders,), daemon=True).start()
while True:
    endpoint.libHandleEvents(10)
    try:
        words = orders.get_nowait()
    except queue.Empty:
        continue
    if words[0] == "quit":
        break
    try:
        do(words)
    except (pj.Error, KeyError) as error:
        say("error", *words, error.info() if isinstance(error, pj.Error) else repr(error))
# The files of what was heard are whole once everything is taken down, in this order.
for call in everyone:
    call.player = call.recorder = None
calls.clear()
everyone.clear()
account.shutdown()
endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
say("quits")
os._exit(0)
