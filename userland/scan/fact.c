#include "scan/fact.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const char *fact_name(unsigned bit)
{
	static const char *const names[] = {
#define X(name, word) word,
		FACTS(X)
#undef X
	};
	return bit < FACT_COUNT ? names[bit] : "";
}

// clang-format off: sorted lists of words
/* What a double click runs on the systems of an office. */
static const char *const executable[] = {
	"acm", "ade", "adp", "appimage", "application", "appref-ms", "appx", "appxbundle", "asp", "ax",
	"bas", "bat", "cdxml", "chm", "cmd", "cnt", "com", "command", "cpl", "crt", "deb", "desktop",
	"diagcab", "dll", "drv", "elf", "exe", "gadget", "grp", "hlp", "hpj", "hta", "img", "inf", "ins", "iqy",
	"iso", "isp", "its", "jar", "jnlp", "job", "js", "jse", "ksh", "library-ms", "lnk", "mad",
	"mcf", "mde", "mof", "msc", "msh", "msh1", "msh2", "mshxml", "msi", "msix", "msp", "mst",
	"ocx", "pcd", "pif", "pkg", "pl", "plg", "prf", "ps1", "ps1xml", "ps2", "psc1", "psc2",
	"psd1", "psm1", "pst", "py", "pyc", "pyo", "pyw", "pyz", "rb", "reg", "rpm", "scf", "scr",
	"sct", "search-ms", "settingcontent-ms", "sh", "shb", "shs", "slk", "sys", "theme", "tmp",
	"url", "vb", "vbe", "vbp", "vbs", "vbscript", "vhd", "vhdx", "vxd", "webloc", "website", "wll",
	"ws", "wsb", "wsc", "wsf", "wsh", "xbap", "xll", "xnk",
};

/* What a name pretends to be when it has one of these before its real extension. */
static const char *const harmless[] = {
	"avi", "bmp", "csv", "doc", "docx", "eml", "gif", "htm", "html", "jpeg", "jpg", "log", "mov",
	"mp3", "mp4", "odt", "pdf", "png", "ppt", "pptx", "rtf", "tif", "tiff", "txt", "wav", "webp",
	"xls", "xlsx", "xml", "zip",
};
// clang-format on

static int word_compare(const void *key, const void *row)
{
	return strcasecmp(key, *(const char *const *)row);
}

static bool is_one_of(const char *word, const char *const *list, size_t n)
{
	return bsearch(word, list, n, sizeof(*list), word_compare) != NULL;
}

#define IS_ONE_OF(word, list) is_one_of(word, list, sizeof(list) / sizeof(*(list)))

/* The letters of an extension that ends at end; blanks and dots around are what Windows drops. */
static size_t extension_before(const char *name, size_t end, char *out, size_t cap)
{
	while (end > 0 && (name[end - 1] == ' ' || name[end - 1] == '.'))
		end--;
	size_t start = end;
	while (start > 0 && name[start - 1] != '.' && name[start - 1] != '/' &&
		name[start - 1] != '\\')
		start--;
	*out = '\0';
	if (start == 0 || name[start - 1] != '.')
		return 0;
	while (start < end && name[start] == ' ')
		start++;
	if (end - start < cap)
		snprintf(out, cap, "%.*s", (int)(end - start), name + start);
	while (start > 0 && name[start - 1] != '.')
		start--;
	return start - 1;
}

uint32_t fact_of_name(const char *name)
{
	char last[24], before[24];
	uint32_t facts = 0;

	/* U+202E turns the direction of what follows: the name shown is not the name. */
	if (strstr(name, "\xe2\x80\xae") || strstr(name, "\xe2\x80\xad"))
		facts |= FACT_DOUBLE_EXTENSION;
	size_t end = extension_before(name, strlen(name), last, sizeof(last));
	if (!IS_ONE_OF(last, executable))
		return facts;
	facts |= FACT_EXECUTABLE_NAME;
	extension_before(name, end, before, sizeof(before));
	return IS_ONE_OF(before, harmless) ? facts | FACT_DOUBLE_EXTENSION : facts;
}

static const struct {
	const char *type;
	uint32_t facts;
} types[] = {
	{"CL_TYPE_7Z", FACT_ARCHIVE},
	{"CL_TYPE_7ZSFX", FACT_ARCHIVE | FACT_EXECUTABLE_CONTENT},
	{"CL_TYPE_ALZ", FACT_ARCHIVE},
	{"CL_TYPE_ARJ", FACT_ARCHIVE},
	{"CL_TYPE_ARJSFX", FACT_ARCHIVE | FACT_EXECUTABLE_CONTENT},
	{"CL_TYPE_BZ", FACT_ARCHIVE},
	{"CL_TYPE_CABSFX", FACT_ARCHIVE | FACT_EXECUTABLE_CONTENT},
	{"CL_TYPE_EGG", FACT_ARCHIVE},
	{"CL_TYPE_ELF", FACT_EXECUTABLE_CONTENT},
	{"CL_TYPE_GZ", FACT_ARCHIVE},
	{"CL_TYPE_ISO9660", FACT_ARCHIVE},
	{"CL_TYPE_JAVA", FACT_EXECUTABLE_CONTENT},
	{"CL_TYPE_LHA_LZH", FACT_ARCHIVE},
	{"CL_TYPE_LNK", FACT_EXECUTABLE_CONTENT},
	{"CL_TYPE_MACHO", FACT_EXECUTABLE_CONTENT},
	{"CL_TYPE_MACHO_UNIBIN", FACT_EXECUTABLE_CONTENT},
	{"CL_TYPE_MSCAB", FACT_ARCHIVE},
	{"CL_TYPE_MSCHM", FACT_EXECUTABLE_CONTENT},
	{"CL_TYPE_MSEXE", FACT_EXECUTABLE_CONTENT},
	{"CL_TYPE_NULSFT", FACT_EXECUTABLE_CONTENT},
	{"CL_TYPE_OLD_TAR", FACT_ARCHIVE},
	{"CL_TYPE_POSIX_TAR", FACT_ARCHIVE},
	{"CL_TYPE_RAR", FACT_ARCHIVE},
	{"CL_TYPE_RARSFX", FACT_ARCHIVE | FACT_EXECUTABLE_CONTENT},
	{"CL_TYPE_UDF", FACT_ARCHIVE},
	{"CL_TYPE_XAR", FACT_ARCHIVE},
	{"CL_TYPE_XZ", FACT_ARCHIVE},
	{"CL_TYPE_ZIP", FACT_ARCHIVE},
	{"CL_TYPE_ZIPSFX", FACT_ARCHIVE | FACT_EXECUTABLE_CONTENT},
};

uint32_t fact_of_type(const char *type, bool inside)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (strcmp(types[i].type, type) != 0)
			continue;
		uint32_t facts = types[i].facts;
		if (inside && (facts & FACT_EXECUTABLE_CONTENT))
			facts = (facts & ~(uint32_t)FACT_EXECUTABLE_CONTENT) |
				FACT_EXECUTABLE_IN_ARCHIVE;
		return facts;
	}
	return 0;
}

uint32_t fact_of_ole2(struct span file)
{
	/* Names of streams are UTF-16, little endian. */
	static const struct span package =
		SPAN_LIT("E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0");
	static const uint8_t word[] = {0xec, 0xa5};
	const size_t block = 512; /* of the header; WordDocument mostly follows it */

	if (span_find(file, package) >= 0)
		return FACT_ENCRYPTED_DOCUMENT;
	if (file.n >= block + 12 && memcmp(file.p + block, word, sizeof(word)) == 0 &&
		(file.p[block + 11] & 1))
		return FACT_ENCRYPTED_DOCUMENT;
	return 0;
}

/* "password", and the Japanese word in UTF-8, Shift_JIS, EUC-JP and ISO-2022-JP. */
uint32_t fact_of_text(struct span text)
{
	static const struct span notices[] = {
		SPAN_LIT("\xe3\x83\x91\xe3\x82\xb9\xe3\x83\xaf\xe3\x83\xbc\xe3\x83\x89"),
		SPAN_LIT("\x83p\x83X\x83\x8f\x81[\x83h"),
		SPAN_LIT("\xa5\xd1\xa5\xb9\xa5\xef\xa1\xbc\xa5\xc9"),
		SPAN_LIT("%Q%9%o!<%I"),
	};
	text = span_take(text, FACT_TEXT_BYTES);
	for (size_t i = 0; i < sizeof(notices) / sizeof(*notices); i++)
		if (span_find(text, notices[i]) >= 0)
			return FACT_PASSWORD_NOTICE;
	for (size_t i = 0; i + 8 <= text.n; i++) {
		const uint8_t *p = memchr(text.p + i, 'w', text.n - i);
		if (!p)
			break;
		i = (size_t)(p - text.p);
		if (i >= 4 && span_caseeq(span_take(span_of(p - 4, text.n - i + 4), 8),
				      SPAN_LIT("password")))
			return FACT_PASSWORD_NOTICE;
	}
	return 0;
}
