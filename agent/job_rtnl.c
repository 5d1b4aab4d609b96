// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Batched rtnetlink requests. See job_rtnl.h.
 *
 * The kernel works a send off before it returns, so all answers wait in the socket
 * by then, and a batch is small enough for them to fit into its buffer: an answer
 * that is missing is an error, not something to wait for.
 */
#include "agent/job_rtnl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH_MAX 64
#define REQUEST_MAX 256
#define TEXT_MAX 256
#define RECEIVE_BUFFER (1024 * 1024)

struct hg_rtnl {
	struct mnl_socket *socket;
	hg_rtnl_answer_fn answer;
	hg_rtnl_data_fn data;
	void *context;
	unsigned int sent; /* requests of this series already answered */
	unsigned int count; /* requests in the batch */
	uint32_t seq; /* of the batch's first request */
	size_t length; /* of the complete requests in the batch */
	int error[BATCH_MAX];
	char text[BATCH_MAX][TEXT_MAX];
	_Alignas(struct nlmsghdr) char batch[BATCH_MAX * REQUEST_MAX];
	_Alignas(struct nlmsghdr) char buffer[32768];
};

int hg_rtnl_new(struct hg_rtnl **ret)
{
	struct hg_rtnl *rtnl = calloc(1, sizeof(*rtnl));
	int on = 1, size = RECEIVE_BUFFER;
	int fd, err;

	if (!rtnl)
		return -ENOMEM;
	rtnl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!rtnl->socket) {
		err = -errno;
		free(rtnl);
		return err;
	}
	if (mnl_socket_bind(rtnl->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		hg_rtnl_free(rtnl);
		return err;
	}
	fd = mnl_socket_get_fd(rtnl->socket);
	/* All three make things better and are missed by nobody when refused. */
	mnl_socket_setsockopt(rtnl->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(rtnl->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	rtnl->seq = time(NULL);
	*ret = rtnl;
	return 0;
}

void hg_rtnl_free(struct hg_rtnl *rtnl)
{
	if (!rtnl)
		return;
	mnl_socket_close(rtnl->socket);
	free(rtnl);
}

void hg_rtnl_begin(struct hg_rtnl *rtnl, hg_rtnl_answer_fn answer, hg_rtnl_data_fn data,
		   void *context)
{
	rtnl->answer = answer;
	rtnl->data = data;
	rtnl->context = context;
	rtnl->sent = 0;
	rtnl->count = 0;
	rtnl->length = 0;
}

/* The extended acknowledgement's text, if there is one. */
static void read_text(const struct nlmsghdr *nlh, char text[TEXT_MAX])
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t offset = sizeof(*e);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += mnl_nlmsg_get_payload_len(&e->msg);
	mnl_attr_for_each(attr, nlh, offset)
	{
		uint16_t length = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) != NLMSGERR_ATTR_MSG || !length)
			continue;
		if (length > TEXT_MAX)
			length = TEXT_MAX;
		memcpy(text, mnl_attr_get_payload(attr), length);
		text[length - 1] = '\0';
	}
}

/* Returns how many requests this message answers: 0 or 1. */
static unsigned int read_answer(struct hg_rtnl *rtnl, const struct nlmsghdr *nlh)
{
	unsigned int at = nlh->nlmsg_seq - rtnl->seq;
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

	if (at >= rtnl->count)
		return 0;
	if (nlh->nlmsg_type != NLMSG_ERROR) {
		if (rtnl->data)
			rtnl->data(rtnl->context, rtnl->sent + at, nlh);
		return 0;
	}
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*e))
		return 0;
	rtnl->error[at] = e->error;
	read_text(nlh, rtnl->text[at]);
	return 1;
}

static int read_answers(struct hg_rtnl *rtnl)
{
	unsigned int missing = rtnl->count;

	while (missing) {
		ssize_t n = recv(mnl_socket_get_fd(rtnl->socket), rtnl->buffer,
				 sizeof(rtnl->buffer), MSG_DONTWAIT);
		const struct nlmsghdr *nlh = (const void *)rtnl->buffer;
		int rest = n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -EIO : -errno;
		for (; mnl_nlmsg_ok(nlh, rest); nlh = mnl_nlmsg_next(nlh, &rest))
			missing -= read_answer(rtnl, nlh);
	}
	return 0;
}

static void flush(struct hg_rtnl *rtnl)
{
	int err = 0;

	if (!rtnl->count)
		return;
	for (unsigned int i = 0; i < rtnl->count; i++) {
		rtnl->error[i] = -EIO;
		rtnl->text[i][0] = '\0';
	}
	if (mnl_socket_sendto(rtnl->socket, rtnl->batch, rtnl->length) < 0)
		err = -errno;
	else
		err = read_answers(rtnl);
	for (unsigned int i = 0; i < rtnl->count; i++) {
		int error = err && rtnl->error[i] == -EIO ? err : rtnl->error[i];

		rtnl->answer(rtnl->context, rtnl->sent + i, error, rtnl->text[i]);
	}
	rtnl->sent += rtnl->count;
	rtnl->seq += rtnl->count;
	rtnl->count = 0;
	rtnl->length = 0;
}

/* The request put last is complete now: its length counts. */
static void close_last(struct hg_rtnl *rtnl)
{
	const struct nlmsghdr *last = (const void *)(rtnl->batch + rtnl->length);

	if (rtnl->count)
		rtnl->length += NLMSG_ALIGN(last->nlmsg_len);
}

struct nlmsghdr *hg_rtnl_put(struct hg_rtnl *rtnl, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;

	close_last(rtnl);
	if (rtnl->count == BATCH_MAX)
		flush(rtnl);
	nlh = mnl_nlmsg_put_header(rtnl->batch + rtnl->length);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = rtnl->seq + rtnl->count++;
	return nlh;
}

void hg_rtnl_end(struct hg_rtnl *rtnl)
{
	close_last(rtnl);
	flush(rtnl);
}

int hg_rtnl_family(const struct hg_ip *ip)
{
	return ip->family == 4 ? AF_INET : AF_INET6;
}

void hg_rtnl_put_ip(struct nlmsghdr *nlh, uint16_t type, const struct hg_ip *ip)
{
	mnl_attr_put(nlh, type, ip->family == 4 ? 4 : 16, ip->addr);
}
