/* Variables of addresses and ports, with the values that Suricata starts from. */
#include "inspect/keyword.h"

static const struct rule_var defaults[] = {
	{"AIM_SERVERS", "$EXTERNAL_NET"},
	{"DC_SERVERS", "$HOME_NET"},
	{"DNP3_CLIENT", "$HOME_NET"},
	{"DNP3_PORTS", "20000"},
	{"DNP3_SERVER", "$HOME_NET"},
	{"DNS_SERVERS", "$HOME_NET"},
	{"ENIP_CLIENT", "$HOME_NET"},
	{"ENIP_SERVER", "$HOME_NET"},
	{"EXTERNAL_NET", "!$HOME_NET"},
	{"FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"},
	{"FTP_PORTS", "21"},
	{"GENEVE_PORTS", "6081"},
	{"HOME_NET", "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"},
	{"HTTP_PORTS", "80"},
	{"HTTP_SERVERS", "$HOME_NET"},
	{"MODBUS_CLIENT", "$HOME_NET"},
	{"MODBUS_PORTS", "502"},
	{"MODBUS_SERVER", "$HOME_NET"},
	{"ORACLE_PORTS", "1521"},
	{"SHELLCODE_PORTS", "!80"},
	{"SMTP_SERVERS", "$HOME_NET"},
	{"SQL_SERVERS", "$HOME_NET"},
	{"SSH_PORTS", "22"},
	{"TELNET_SERVERS", "$HOME_NET"},
	{"TEREDO_PORTS", "3544"},
	{"VXLAN_PORTS", "4789"},
};

const char *rule_var_lookup(const struct rule_vars *vars, struct span name)
{
	for (size_t i = 0; vars && i < vars->n; i++)
		if (span_eq(span_str(vars->vars[i].name), name))
			return vars->vars[i].value;
	for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++)
		if (span_eq(span_str(defaults[i].name), name))
			return defaults[i].value;
	return NULL;
}
