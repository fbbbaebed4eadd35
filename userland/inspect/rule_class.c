/*
 * What kind of threat a rule is about: names and priorities that rule authors of the field share, 1
 * the gravest. A name that is not here is accepted; it has no text and priority 3.
 */
#include "inspect/ruleset.h"

static const struct rule_class classes[] = {
	{"attempted-admin", "Attempt to gain administrator rights", 1},
	{"attempted-dos", "Attempt to deny a service", 2},
	{"attempted-recon", "Attempt to gather information", 2},
	{"attempted-user", "Attempt to gain user rights", 1},
	{"bad-unknown", "Traffic that may be harmful", 2},
	{"coin-mining", "Mining of crypto currency", 2},
	{"command-and-control", "Malware in touch with its operator", 1},
	{"credential-theft", "Theft of credentials", 1},
	{"default-login-attempt", "Login with a factory user name and password", 2},
	{"denial-of-service", "Denial of service", 2},
	{"domain-c2", "Domain of a malware operator", 1},
	{"exploit-kit", "Exploit kit", 1},
	{"external-ip-check", "Host looks up its public address", 2},
	{"icmp-event", "ICMP event", 3},
	{"inappropriate-content", "Unfit content", 1},
	{"misc-activity", "Other activity", 3},
	{"misc-attack", "Other attack", 2},
	{"network-scan", "Network scan", 3},
	{"non-standard-protocol", "Unusual protocol or event", 2},
	{"not-suspicious", "Harmless traffic", 3},
	{"policy-violation", "Likely breach of the company's policy", 1},
	{"protocol-command-decode", "Protocol command", 3},
	{"pup-activity", "Possibly unwanted program", 2},
	{"rpc-portmap-decode", "RPC query", 2},
	{"shellcode-detect", "Executable code in traffic", 1},
	{"social-engineering", "Attempt to deceive the user", 2},
	{"string-detect", "Suspicious string", 3},
	{"successful-admin", "Administrator rights gained", 1},
	{"successful-dos", "Service denied", 2},
	{"successful-recon-largescale", "Much information leaked", 2},
	{"successful-recon-limited", "Information leaked", 2},
	{"successful-user", "User rights gained", 1},
	{"suspicious-filename-detect", "Suspicious file name", 2},
	{"suspicious-login", "Login with a suspicious user name", 2},
	{"system-call-detect", "System call in traffic", 2},
	{"targeted-activity", "Targeted attack", 1},
	{"tcp-connection", "TCP connection", 4},
	{"trojan-activity", "Trojan horse on the network", 1},
	{"unknown", "Unknown traffic", 3},
	{"unsuccessful-user", "Failed attempt to gain user rights", 1},
	{"unusual-client-port-connection", "Client on an unusual port", 2},
	{"web-application-activity", "Access to a web application that may be vulnerable", 2},
	{"web-application-attack", "Attack on a web application", 1},
};

const struct rule_class *rule_class_lookup(struct span name)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (span_caseeq(span_str(classes[i].name), name))
			return &classes[i];
	return NULL;
}
