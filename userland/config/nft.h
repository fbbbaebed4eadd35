/*
 * nft: one transaction by a child process, and questions to the kernel as JSON.
 *
 * libnftables needs some 400 bytes for an element of a set and keeps most of it: a child gives it
 * back by ending, and one that the kernel ends for want of memory has changed nothing.
 *
 * Limits: NFT_LOAD_S for a transaction.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-json.h>

#define NFT_LOAD_S 60

/* -EINVAL with the kernel's word in *ret_why (heap). */
int nft_load(const char *text, char **ret_why);
/* "list table bridge x". terse: sets without their elements. -ENOENT when there is no such thing.
 */
int nft_ask(const char *command, bool terse, sd_json_variant **ret);
