/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See talk.h. */
#include "sync/talk.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PRIORITY \
	"SECURE256:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK:%DISABLE_TLS13_COMPAT_MODE"
#define USER "hagate"
#define LABEL "hagate sync TLS PSK 1"

struct hg_talk {
	int fd;
	uint64_t deadline; /* CLOCK_BOOTTIME, ns */
	gnutls_session_t session;
	gnutls_psk_client_credentials_t client;
	gnutls_psk_server_credentials_t server;
	uint8_t psk[HG_TALK_PSK_LEN];
	bool is_open; /* the handshake is done and nothing failed since */
	uint8_t body[HG_MESSAGE_BODY_MAX];
};

uint64_t hg_talk_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

void hg_talk_derive(const uint8_t cluster_key[HG_TALK_KEY_LEN], uint8_t ret[HG_TALK_PSK_LEN])
{
	crypto_generichash(ret, HG_TALK_PSK_LEN, (const uint8_t *)LABEL, strlen(LABEL), cluster_key,
			   HG_TALK_KEY_LEN);
}

/* --- octets -------------------------------------------------------------------------- */

static int wait_for(struct hg_talk *talk, short events)
{
	struct pollfd pfd = { .fd = talk->fd, .events = events };
	uint64_t now = hg_talk_now();
	int left = now < talk->deadline ? (talk->deadline - now) / 1000000 + 1 : 0;
	int ready = left ? poll(&pfd, 1, left) : 0;

	if (ready > 0)
		return 0;
	if (!ready)
		errno = ETIMEDOUT;
	return -1;
}

static ssize_t pull(gnutls_transport_ptr_t context, void *data, size_t length)
{
	struct hg_talk *talk = context;
	ssize_t n = -1;

	if (!wait_for(talk, POLLIN))
		n = recv(talk->fd, data, length, MSG_DONTWAIT);
	if (n < 0)
		gnutls_transport_set_errno(talk->session, errno == EAGAIN ? EINTR : errno);
	return n;
}

static ssize_t push(gnutls_transport_ptr_t context, const void *data, size_t length)
{
	struct hg_talk *talk = context;
	ssize_t n = -1;

	if (!wait_for(talk, POLLOUT))
		n = send(talk->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		gnutls_transport_set_errno(talk->session, errno == EAGAIN ? EINTR : errno);
	return n;
}

static int pull_timeout(gnutls_transport_ptr_t context, unsigned int ms)
{
	(void)ms; /* the deadline of the whole is what counts */
	return wait_for(context, POLLIN) ? 0 : 1;
}

static int explain(struct hg_talk *talk, int code, struct hg_sync_error *error)
{
	bool is_late = hg_talk_now() >= talk->deadline;

	talk->is_open = false;
	if (is_late)
		return hg_sync_fail(error, -ETIMEDOUT, "no answer in time");
	switch (code) {
	case GNUTLS_E_PUSH_ERROR:
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_SESSION_EOF:
	case 0:
		return hg_sync_fail(error, -ECONNRESET, "the other side ended the connection");
	case GNUTLS_E_DECRYPTION_FAILED:
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
	case GNUTLS_E_NO_CIPHER_SUITES:
	case GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER:
	case GNUTLS_E_INSUFFICIENT_CREDENTIALS:
		return hg_sync_fail(error, -EACCES,
				    "the other side has another cluster key: copy one key file to "
				    "both nodes (%s)",
				    gnutls_strerror(code));
	default:
		return hg_sync_fail(error, -EPROTO, "TLS: %s", gnutls_strerror(code));
	}
}

/* --- begin and end ------------------------------------------------------------------- */

static int give_key(gnutls_session_t session, const char *user, gnutls_datum_t *key)
{
	const struct hg_talk *talk = gnutls_session_get_ptr(session);

	if (strcmp(user, USER))
		return -1;
	key->data = gnutls_malloc(sizeof(talk->psk));
	if (!key->data)
		return -1;
	memcpy(key->data, talk->psk, sizeof(talk->psk));
	key->size = sizeof(talk->psk);
	return 0;
}

static int set_key(struct hg_talk *talk, bool is_server)
{
	gnutls_datum_t key = { talk->psk, sizeof(talk->psk) };
	int code;

	if (is_server) {
		code = gnutls_psk_allocate_server_credentials(&talk->server);
		if (code < 0)
			return code;
		gnutls_psk_set_server_credentials_function(talk->server, give_key);
		return gnutls_credentials_set(talk->session, GNUTLS_CRD_PSK, talk->server);
	}
	code = gnutls_psk_allocate_client_credentials(&talk->client);
	if (code >= 0)
		code = gnutls_psk_set_client_credentials(talk->client, USER, &key,
							 GNUTLS_PSK_KEY_RAW);
	if (code >= 0)
		code = gnutls_credentials_set(talk->session, GNUTLS_CRD_PSK, talk->client);
	return code;
}

static int shake_hands(struct hg_talk *talk, bool is_server)
{
	unsigned int flags = GNUTLS_NO_TICKETS | GNUTLS_NO_AUTO_SEND_TICKET;
	int code = gnutls_init(&talk->session, flags | (is_server ? GNUTLS_SERVER : GNUTLS_CLIENT));

	if (code >= 0)
		code = gnutls_priority_set_direct(talk->session, PRIORITY, NULL);
	if (code >= 0)
		code = set_key(talk, is_server);
	if (code < 0)
		return code;
	gnutls_session_set_ptr(talk->session, talk);
	gnutls_transport_set_ptr(talk->session, talk);
	gnutls_transport_set_pull_function(talk->session, pull);
	gnutls_transport_set_push_function(talk->session, push);
	gnutls_transport_set_pull_timeout_function(talk->session, pull_timeout);
	do
		code = gnutls_handshake(talk->session);
	while (code < 0 && !gnutls_error_is_fatal(code) && hg_talk_now() < talk->deadline);
	return code;
}

int hg_talk_new(int fd, bool is_server, const uint8_t cluster_key[HG_TALK_KEY_LEN],
		unsigned int timeout_ms, struct hg_talk **ret, struct hg_sync_error *error)
{
	struct hg_talk *talk = calloc(1, sizeof(*talk));
	int code, err;

	if (!talk) {
		close(fd);
		return hg_sync_fail(error, -ENOMEM, "out of memory");
	}
	talk->fd = fd;
	hg_talk_extend(talk, timeout_ms);
	hg_talk_derive(cluster_key, talk->psk);
	code = shake_hands(talk, is_server);
	if (code < 0) {
		/* So that the other side learns that it is the key, and not the network. */
		gnutls_alert_send_appropriate(talk->session, code);
		err = explain(talk, code, error);
		hg_talk_free(talk);
		return err;
	}
	talk->is_open = true;
	*ret = talk;
	return 0;
}

void hg_talk_extend(struct hg_talk *talk, unsigned int timeout_ms)
{
	talk->deadline = hg_talk_now() + timeout_ms * UINT64_C(1000000);
}

void hg_talk_free(struct hg_talk *talk)
{
	if (!talk)
		return;
	if (talk->is_open)
		gnutls_bye(talk->session, GNUTLS_SHUT_WR);
	if (talk->session)
		gnutls_deinit(talk->session);
	if (talk->client)
		gnutls_psk_free_client_credentials(talk->client);
	if (talk->server)
		gnutls_psk_free_server_credentials(talk->server);
	sodium_memzero(talk->psk, sizeof(talk->psk));
	close(talk->fd);
	free(talk);
}

/* --- messages ------------------------------------------------------------------------ */

int hg_talk_write(struct hg_talk *talk, const uint8_t *data, size_t length,
		  struct hg_sync_error *error)
{
	ssize_t n;

	while (length) {
		n = talk->is_open ? gnutls_record_send(talk->session, data, length)
				  : GNUTLS_E_SESSION_EOF;
		if (n < 0 && !gnutls_error_is_fatal(n) && hg_talk_now() < talk->deadline)
			continue;
		if (n <= 0)
			return explain(talk, n, error);
		data += n;
		length -= n;
	}
	return 0;
}

static int read_all(struct hg_talk *talk, uint8_t *data, size_t length, struct hg_sync_error *error)
{
	ssize_t n;

	while (length) {
		n = talk->is_open ? gnutls_record_recv(talk->session, data, length)
				  : GNUTLS_E_SESSION_EOF;
		if (n < 0 && !gnutls_error_is_fatal(n) && hg_talk_now() < talk->deadline)
			continue;
		if (n <= 0)
			return explain(talk, n, error);
		data += n;
		length -= n;
	}
	return 0;
}

int hg_talk_send(struct hg_talk *talk, const struct hg_message *message,
		 struct hg_sync_error *error)
{
	uint8_t buffer[HG_MESSAGE_PRINT_MAX];

	if (message->type == HG_MESSAGE_PACK)
		return -EINVAL;
	return hg_talk_write(talk, buffer, hg_message_print(message, buffer), error);
}

int hg_talk_receive(struct hg_talk *talk, struct hg_message *ret, struct hg_sync_error *error)
{
	uint8_t head[HG_MESSAGE_HEAD];
	int err = read_all(talk, head, sizeof(head), error);

	if (!err && hg_message_parse_head(head, ret))
		err = hg_sync_fail(
			error, -EBADMSG,
			"what the other side says is not understood: does it run another "
			"version?");
	if (!err)
		err = read_all(talk, talk->body, ret->length, error);
	if (!err && hg_message_parse_body(talk->body, ret))
		err = hg_sync_fail(error, -EBADMSG,
				   "the other side sent a message that makes no "
				   "sense");
	return err;
}

int hg_talk_expect(struct hg_talk *talk, enum hg_message_type type, struct hg_message *ret,
		   struct hg_sync_error *error)
{
	int err = hg_talk_receive(talk, ret, error);

	if (err)
		return err;
	if (ret->type == HG_MESSAGE_VERDICT && ret->verdict.err)
		return hg_sync_fail(error, -ret->verdict.err, "%s", ret->verdict.text);
	if (ret->type != type)
		return hg_sync_fail(error, -EBADMSG,
				    "the other side sent another message than "
				    "was due");
	return 0;
}

int hg_talk_send_type(struct hg_talk *talk, enum hg_message_type type, struct hg_sync_error *error)
{
	struct hg_message message = { .type = type };

	return hg_talk_send(talk, &message, error);
}

int hg_talk_send_verdict(struct hg_talk *talk, int err, const char *text)
{
	struct hg_message *message = calloc(1, sizeof(*message));
	int result = -ENOMEM;

	if (message) {
		message->type = HG_MESSAGE_VERDICT;
		message->verdict.err = -err;
		strncpy(message->verdict.text, text, HG_MESSAGE_TEXT_MAX);
		result = hg_talk_send(talk, message, NULL);
	}
	free(message);
	return result;
}
