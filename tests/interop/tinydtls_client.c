/* PORT IDENTITY KEY WORDS: a session with 127.0.0.1 by pre-shared key; says the words, prints the answer. */

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tinydtls.h"
#include "dtls.h"

static int net = -1;
static int done = 0;
static char **words;

static int to_network(dtls_context_t *context, session_t *peer, uint8 *data, size_t length) {
    return (int)send(net, data, length, 0);
}

static int from_peer(dtls_context_t *context, session_t *peer, uint8 *data, size_t length) {
    printf("answered: %.*s\n", (int)length, (char *)data);
    done = 1;
    return 0;
}

static int happened(dtls_context_t *context, session_t *peer, dtls_alert_level_t level, unsigned short code) {
    if (code == DTLS_EVENT_CONNECTED) {
        dtls_write(context, peer, (uint8 *)words[4], strlen(words[4]));
    } else if (level == DTLS_ALERT_LEVEL_FATAL) {
        printf("alert: %d\n", code);
        done = 1;
    }
    return 0;
}

static int credential(dtls_context_t *context, const session_t *peer, dtls_credentials_type_t kind,
                      const unsigned char *hint, size_t hint_length, unsigned char *result, size_t room) {
    const char *text = kind == DTLS_PSK_IDENTITY ? words[2] : kind == DTLS_PSK_KEY ? words[3] : "";
    if (strlen(text) > room) return -1;
    memcpy(result, text, strlen(text));
    return (int)strlen(text);
}

static dtls_handler_t handler = {
    .write = to_network, .read = from_peer, .event = happened, .get_psk_info = credential};

int main(int count, char **arguments) {
    if (count != 5) return 2;
    words = arguments;

    session_t server;
    dtls_session_init(&server);
    server.size = sizeof(server.addr.sin);
    server.addr.sin.sin_family = AF_INET;
    server.addr.sin.sin_port = htons((uint16_t)atoi(arguments[1]));
    server.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    net = socket(AF_INET, SOCK_DGRAM, 0);
    if (net < 0 || connect(net, &server.addr.sa, server.size)) return 3;

    dtls_init();
    dtls_context_t *context = dtls_new_context(NULL);
    dtls_set_handler(context, &handler);
    dtls_connect(context, &server);

    struct pollfd waiting = {net, POLLIN, 0};
    uint8 datagram[1500];
    while (!done) {
        clock_time_t next = 0;
        if (poll(&waiting, 1, 200) > 0) {
            ssize_t length = recv(net, datagram, sizeof datagram, 0);
            if (length > 0) dtls_handle_message(context, &server, datagram, (int)length);
        }
        dtls_check_retransmit(context, &next);
    }
    dtls_close(context, &server);
    dtls_free_context(context);
    close(net);
    return 0;
}
