// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bpf/siphash.h as native code against libsodium, over the two lengths of frames and
 * some others. What the kernel makes of it is tested with every frame that
 * test_datapath signs.
 */
#include <sodium.h>
#include <string.h>

#include "bpf/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void compare(size_t words, size_t misalignment)
{
	unsigned char data[320], key[16], want[16];
	__u64 key_words[2], tag[2];

	randombytes_buf(data, sizeof(data));
	randombytes_buf(key, sizeof(key));
	memcpy(key_words, key, sizeof(key));
	crypto_shorthash_siphashx24(want, data + misalignment, words * 8, key);
	hg_siphash(data + misalignment, (unsigned int)words, key_words, tag);
	assert_memory_equal(tag, want, sizeof(want));
}

static void test_random(void **state)
{
	static const size_t words[] = { 0, 1, 6, 30, 32 };
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		for (j = 0; j < 2000; j++)
			compare(words[i], j % 8);
}

/* The authors' first test vector: key 00..0f, no data. */
static void test_vector(void **state)
{
	static const unsigned char want[16] = { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
						0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93 };
	unsigned char key[16];
	__u64 key_words[2], tag[2];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(key); i++)
		key[i] = (unsigned char)i;
	memcpy(key_words, key, sizeof(key));
	hg_siphash(key, 0, key_words, tag);
	assert_memory_equal(tag, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_random),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
