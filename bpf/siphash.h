/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SipHash-2-4 with a 128-bit tag (Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF", and the authors' 128-bit variant) over a whole number of
 * 64-bit words: the frames have two fixed lengths, both multiples of eight.
 *
 * The same lines run in the kernel (BPF) and natively. Words are little-endian,
 * as the algorithm says; the tag's octets are its two words, little-endian.
 */
#ifndef HG_SIPHASH_H
#define HG_SIPHASH_H

#include <linux/types.h>

/* BPF loads any address at once when told so; native code must not assume that. */
#ifdef __bpf__
#define HG_SIP_INLINE static __attribute__((always_inline)) inline
#define hg_sip_load(address) (*(const __u64 *)(address))
#else
#define HG_SIP_INLINE static inline
HG_SIP_INLINE __u64 hg_sip_load(const void *address)
{
	__u64 word;

	__builtin_memcpy(&word, address, sizeof(word));
	return word;
}
#endif

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define hg_sip_word(address) __builtin_bswap64(hg_sip_load(address))
#else
#define hg_sip_word(address) hg_sip_load(address)
#endif

struct hg_sip {
	__u64 v0, v1, v2, v3;
};

HG_SIP_INLINE __u64 hg_sip_rotate(__u64 word, int bits)
{
	return word << bits | word >> (64 - bits);
}

HG_SIP_INLINE void hg_sip_round(struct hg_sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = hg_sip_rotate(s->v1, 13) ^ s->v0;
	s->v3 = hg_sip_rotate(s->v3, 16) ^ s->v2;
	s->v0 = hg_sip_rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = hg_sip_rotate(s->v1, 17) ^ s->v2;
	s->v3 = hg_sip_rotate(s->v3, 21) ^ s->v0;
	s->v2 = hg_sip_rotate(s->v2, 32);
}

HG_SIP_INLINE void hg_sip_absorb(struct hg_sip *s, __u64 word)
{
	s->v3 ^= word;
	hg_sip_round(s);
	hg_sip_round(s);
	s->v0 ^= word;
}

HG_SIP_INLINE __u64 hg_sip_squeeze(struct hg_sip *s)
{
	hg_sip_round(s);
	hg_sip_round(s);
	hg_sip_round(s);
	hg_sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* Tag of `words` 64-bit words; in BPF `words` is a constant and the caller has
 * checked that data holds them. key and ret_tag: two little-endian words each. */
HG_SIP_INLINE void hg_siphash(const void *data, unsigned int words, const __u64 *key,
			      __u64 *ret_tag)
{
	struct hg_sip s = {
		.v0 = key[0] ^ 0x736f6d6570736575ull,
		.v1 = key[1] ^ 0x646f72616e646f6dull ^ 0xee,
		.v2 = key[0] ^ 0x6c7967656e657261ull,
		.v3 = key[1] ^ 0x7465646279746573ull,
	};
	unsigned int i;

#ifdef __bpf__
#pragma clang loop unroll(disable)
#endif
	for (i = 0; i < words; i++)
		hg_sip_absorb(&s, hg_sip_word((const __u8 *)data + i * 8));
	hg_sip_absorb(&s, (__u64)(words * 8) << 56);

	s.v2 ^= 0xee;
	ret_tag[0] = hg_sip_squeeze(&s);
	s.v1 ^= 0xdd;
	ret_tag[1] = hg_sip_squeeze(&s);
}

#endif
