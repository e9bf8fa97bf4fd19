/* PORT SUITE FLAGS WORDS CHAIN KEY AUTHORITY (the last three are files)
 * A DTLS 1.2 session with 127.0.0.1; says the words, prints the answer. FLAGS: e without extended master secret,
 * f fragments of 512 bytes, - none. */

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int failed(const char *what, WOLFSSL *ssl, int result) {
    printf("%s failed: %d\n", what, ssl ? wolfSSL_get_error(ssl, result) : result);
    return 1;
}

int main(int count, char **arguments) {
    if (count != 8) return 2;
    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfDTLSv1_2_client_method());
    if (wolfSSL_CTX_set_cipher_list(context, arguments[2]) != WOLFSSL_SUCCESS) return failed("suite", NULL, 0);
    if (wolfSSL_CTX_use_certificate_chain_file(context, arguments[5]) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_use_PrivateKey_file(context, arguments[6], WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_load_verify_locations(context, arguments[7], NULL) != WOLFSSL_SUCCESS) {
        return failed("files", NULL, 0);
    }

    WOLFSSL *ssl = wolfSSL_new(context);
    if (strchr(arguments[3], 'e')) wolfSSL_DisableExtendedMasterSecret(ssl);
    if (strchr(arguments[3], 'f')) wolfSSL_UseMaxFragment(ssl, WOLFSSL_MFL_2_9);

    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1]))};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int net = socket(AF_INET, SOCK_DGRAM, 0);
    if (net < 0 || connect(net, (struct sockaddr *)&server, sizeof server)) return 3;
    wolfSSL_dtls_set_peer(ssl, &server, sizeof server);
    wolfSSL_set_fd(ssl, net);

    int result = wolfSSL_connect(ssl);
    if (result != WOLFSSL_SUCCESS) return failed("handshake", ssl, result);
    printf("suite: %s\n", wolfSSL_get_cipher_name(ssl));
    wolfSSL_write(ssl, arguments[4], (int)strlen(arguments[4]));
    char answer[2048];
    int length = wolfSSL_read(ssl, answer, sizeof answer);
    if (length <= 0) return failed("answer", ssl, length);
    printf("answered: %.*s\n", length, answer);
    wolfSSL_shutdown(ssl);
    wolfSSL_free(ssl);
    wolfSSL_CTX_free(context);
    return 0;
}
