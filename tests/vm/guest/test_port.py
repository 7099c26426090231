# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel makes of a port that is read and written, and of each fault that can be ordered. qmid relies on
what is seen here."""

import select

import pytest

from modem import Modem
from udev import PATIENCE
from wdm import Wdm, fails_with, take_apart, version_request

pytestmark = pytest.mark.usefixtures("without_qmid")

IN, OUT, ERR = select.POLLIN, select.POLLOUT, select.POLLERR
ORDERS_OFF = ["stall-answers 0", "refuse-sends 0", "lose-notifications 0", "split-answers 0", "cut-answers 0",
              "halt off", "hold-sends off"]


@pytest.fixture(scope="module")
def plugged(tmp_path_factory):
    """Plugging takes longer than most of these tests: they share a modem."""
    modem = Modem(tmp_path_factory.mktemp("modem"))
    modem.plug()
    yield modem
    modem.close()


def is_as_new(modem):
    """Whether the next answer is that to the next request."""
    for order in ORDERS_OFF:
        modem.usb(order)
    with Wdm(modem.ports[0]) as wdm:
        if wdm.poll() != OUT:
            return False
        wdm.send(0xEE)
        return wdm.receive_transaction() == 0xEE and wdm.poll() == OUT


@pytest.fixture
def modem(plugged):
    yield plugged
    if not is_as_new(plugged):
        plugged.replug()


@pytest.fixture
def port(modem):
    return modem.ports[0]


# ---- reading and writing ----

def test_opening_is_not_exclusive_and_readers_steal_from_each_other(port):
    with Wdm(port) as first, Wdm(port) as second:
        first.send(1)
        assert first.poll(PATIENCE, IN) == second.poll(PATIENCE, IN) == IN
        assert take_apart(second.read())[0] == 1
        assert fails_with(first.read) == "EAGAIN"


def test_a_second_write_waits_for_the_first(modem, port):
    with Wdm(port) as wdm:
        modem.usb("hold-sends", "on")
        with modem.counted("sends"):
            wdm.send(1)
        assert wdm.poll() == 0
        assert fails_with(wdm.write, version_request(2)) == "EAGAIN"
        modem.usb("hold-sends", "off")
        wdm.send(3)
        assert [wdm.receive_transaction() for _ in range(2)] == [1, 3]


def test_a_write_is_cut_at_the_limit(port):
    with Wdm(port) as wdm:
        assert wdm.write(version_request(1) + bytes(5000)) == 4096
        assert wdm.receive_transaction() == 1


def test_a_read_shorter_than_a_frame_leaves_the_rest(port):
    with Wdm(port) as wdm:
        wdm.send(1)
        assert wdm.poll(PATIENCE, IN) == IN
        start = wdm.read(4)
        assert wdm.poll(0, IN) == IN
        assert take_apart(start + wdm.read())[0] == 1


def test_unread_answers_are_kept(modem, port):
    with Wdm(port) as wdm:
        for transaction in range(1, 101):
            with modem.counted("sends"):
                wdm.send(transaction)
        assert [wdm.receive_transaction() for _ in range(100)] == list(range(1, 101))
        assert fails_with(wdm.read) == "EAGAIN"


# ---- faults ----

def test_a_stalled_answer_is_silent(modem, port):
    with Wdm(port) as wdm:
        modem.usb("stall-answers", 1)
        with modem.counted("stall-answers"):
            wdm.send(1)
        assert wdm.poll(0, IN) == 0
        assert fails_with(wdm.read) == "EAGAIN"
        # The modem still has it: the answers are one behind.
        wdm.send(2)
        assert wdm.receive_transaction() == 1
        wdm.send(3)
        assert wdm.receive_transaction() == 2


def test_a_refused_send_is_an_error_without_hangup(modem, port):
    with Wdm(port) as wdm:
        modem.usb("refuse-sends", 1)
        wdm.send(1)
        assert wdm.poll(PATIENCE, 0) == ERR
        assert wdm.poll() == OUT | ERR      # and it stays, until a write
        assert wdm.poll() == OUT | ERR
        assert fails_with(wdm.write, version_request(2)) == "EIO"
        assert wdm.poll() == OUT
        wdm.send(3)
        assert wdm.receive_transaction() == 3


def test_after_a_lost_notification_answers_are_one_behind(modem, port):
    with Wdm(port) as wdm:
        modem.usb("lose-notifications", 1)
        with modem.counted("lose-notifications"):
            wdm.send(1)
        wdm.send(2)
        assert wdm.receive_transaction() == 1
    with Wdm(port) as wdm:      # also after close and open
        wdm.send(3)
        assert wdm.receive_transaction() == 2


def test_an_answer_in_two_parts(modem, port):
    with Wdm(port) as wdm:
        modem.usb("split-answers", 1)
        wdm.send(1)
        frame = b""
        while len(frame) < 3 or len(frame) <= frame[1]:
            frame += wdm.receive()
        assert take_apart(frame)[0] == 1


def test_an_answer_that_is_cut(modem, port):
    with Wdm(port) as wdm:
        wdm.send(1)
        whole = wdm.receive()
        modem.usb("cut-answers", 1)
        wdm.send(1)
        assert wdm.receive() == whole[:len(whole) // 2]
        wdm.send(2)
        assert wdm.receive_transaction() == 2


def test_a_modem_that_hangs(modem, port):
    with Wdm(port) as wdm:
        modem.usb("halt", "on")
        with modem.counted("sends", 3):
            for transaction in 1, 2, 3:
                wdm.send(transaction)
        modem.usb("halt", "off")
        wdm.send(4)
        assert wdm.receive_transaction() == 4
        assert fails_with(wdm.read) == "EAGAIN"
