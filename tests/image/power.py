"""Off and on: a power cut while a commit waits for its confirmation, factory reset, restart, shutdown."""

import world as w
from evidence import wait_for
from machine import BOOT_S, LINE_S, Console, Power, Ssh, reachable, want

BAD4 = "10.77.0.99"


def cut(admin: Ssh, check) -> None:
    """The address moves inside the same network, so both that were and that are can be asked."""
    r = admin("configure", f"delete interfaces management address {w.BOX4}/{w.PREFIX4}", f"set interfaces management address {BAD4}/{w.PREFIX4}",
              "commit confirmed 10")
    check("commit confirmed: the new address is in force", wait_for(lambda: reachable(BAD4) and not reachable(), LINE_S), r.stdout + r.stderr)
    Power().cut()
    admin.close()
    check("a power cut before the confirmation: the old address is back", wait_for(reachable, BOOT_S))
    check("and the new one is gone", not reachable(BAD4))


def after_cut(password: str, check) -> Ssh:
    admin = Ssh("admin", password)
    r = admin("configure", "compare rollback 0")
    check("what runs is what was committed before", r.returncode == 0 and r.stdout.strip() == "", r.stdout + r.stderr)
    r = admin("show events configd last 20")
    check("the log says that it was undone", "revert" in r.stdout or "undone" in r.stdout or "not confirmed" in r.stdout, r.stdout)
    return admin


def factory_reset(admin: Ssh, c: Console, check) -> None:
    r = admin("request factory-reset")
    check("request factory-reset", r.returncode == 0, r.stdout + r.stderr)
    admin.close()
    c.until("login: ", BOOT_S)
    check("after a factory reset the address is gone", not reachable())


def reboot(c: Console, password: str, check) -> None:
    c.say("request reboot")
    c.until("Are you sure")
    c.say("yes")
    want(wait_for(lambda: not reachable(), LINE_S), "it is still there")
    check("request reboot: the configuration is there again", wait_for(reachable, BOOT_S))
    c.login()
    c.say("admin")
    c.until("[Pp]assword: ")
    c.say(password)
    c.until("sekisho> ")
    check("and so is the password", True)


def shutdown(c: Console, check) -> None:
    power = Power()
    c.say("request shutdown")
    c.until("Are you sure")
    c.say("yes")
    check("request shutdown: the machine is off", power.is_off(LINE_S))
