#!/bin/bash
# The kernel facts that the product stands on: each ruleset loads, and what it needs is there.
set -eu
bad=0

loads() { # WHAT, ruleset on standard input
	if nft -c -f - 2>/tmp/err || false; then
		echo "loads: $1"
	else
		echo "refused: $1: $(cat /tmp/err)"
		bad=$((bad + 1))
	fi
}

ip link add p0 type veth peer name p0x
ip link add p1 type veth peer name p1x
ip link add br0 type bridge

loads "bridge conntrack and queue" <<-'END'
	table bridge t {
		set alive { type ether_type; flags timeout; }
		chain f {
			type filter hook forward priority 0; policy accept;
			ct mark & 0x100 != 0 accept
			ct state invalid drop
			ether type @alive queue flags bypass,fanout to 0-3
		}
		chain save { type filter hook forward priority 10; meta mark & 0x300 != 0 ct mark set meta mark & 0x300; }
	}
END
loads "netdev ingress and egress with MAC maps" <<-'END'
	table netdev t {
		map mac4 { type ipv4_addr : ether_addr; flags dynamic,timeout; timeout 10m; size 65536; }
		map mac6 { type ipv6_addr : ether_addr; flags dynamic,timeout; timeout 10m; size 65536; }
		set alive { type inet_service; flags timeout; }
		chain learn {
			type filter hook ingress devices = { p0, p1 } priority 0; policy accept;
			ether type ip tcp dport @alive update @mac4 { ip saddr : ether saddr } ether daddr set 02:00:00:00:00:01
			ether type ip6 tcp sport @alive update @mac6 { ip6 daddr : ether daddr } ether daddr set 02:00:00:00:00:01
		}
		chain restore {
			type filter hook egress device "br0" priority 0; policy accept;
			ether type ip tcp dport 25 ether daddr set ip daddr map @mac4 ether saddr set ip saddr map @mac4
		}
	}
END
loads "TPROXY, transparent sockets and conntrack zones" <<-'END'
	table inet t {
		chain raw_in { type filter hook prerouting priority raw; tcp dport 25 ct zone set 1; tcp sport 25 ct zone set 2; }
		chain pre {
			type filter hook prerouting priority mangle; policy accept;
			meta l4proto tcp socket transparent 1 meta mark set 1 accept
			meta nfproto ipv4 tcp dport 25 tproxy ip to :10025 meta mark set 1 accept
			meta nfproto ipv6 tcp dport 25 tproxy ip6 to :10025 meta mark set 1 accept
		}
	}
END

# br_netfilter would take mail away from TPROXY.
[ ! -e /proc/sys/net/bridge ] || { echo "br_netfilter is in this kernel"; bad=$((bad + 1)); }
grep -q landlock /sys/kernel/security/lsm 2>/dev/null ||
	{ mount -t securityfs securityfs /sys/kernel/security && grep -q landlock /sys/kernel/security/lsm; } ||
	{ echo "no Landlock"; bad=$((bad + 1)); }
for map in "-4 rule add fwmark 1 lookup 100" "-6 rule add fwmark 1 lookup 100" "-4 route add local default dev lo table 100"; do
	# shellcheck disable=SC2086  # a list of words
	ip $map || { echo "refused: ip $map"; bad=$((bad + 1)); }
done
exit $bad
