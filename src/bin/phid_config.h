/* phid.yaml: what phid needs to start; all else is in the store. One typed table (phid_config.c) reads,
 * checks and describes it; an unknown key is an error with its line. */
#ifndef BIN_PHID_CONFIG_H
#define BIN_PHID_CONFIG_H

#include "base/json.h"
#include "bin/phid_outgoing.h"

#define PHID_HOSTS_MAX 16
#define PHID_NETWORKS_MAX 256 /* blocks of named networks */

struct phid_list {
    const char *item[PHID_HOSTS_MAX];
    size_t n;
};

struct phid_networks { /* one row a block */
    const char *name[PHID_NETWORKS_MAX], *block[PHID_NETWORKS_MAX];
    size_t n;
};

struct phid_config {      /* all texts live in the arena */
    const char *data;     /* folder: store, CA, log key */
    const char *people;   /* "127.0.0.1:8470" */
    const char *tls_cert, *tls_key; /* PEM files of the people's listener; "" plain HTTP */
    const char *devices;            /* PEM file of the CA of people's devices; "" none */
    const char *devices_revoked;    /* PEM file of its lists of revoked certificates; "" none */
    const char *gateways; /* "127.0.0.1:8471" */
    const char *url;      /* the console's address for people; no '/' at its end */
    const char *console;  /* folder with the console's files; "" none */
    const char *policy;   /* folder with the starter bundle; "" the installed one */
    const char *log;      /* origin of the log; "" one is made at the first start */
    const char *store;    /* PostgreSQL's conninfo; "" SQLite in the data folder */
    const char *store_password_file; /* "" none */
    bool store_no_copy;              /* of PostgreSQL's schema, before it is brought up to date */
    struct phid_list
        hosts; /* more names for the people's listener, with port where it is not the scheme's */
    struct phid_list outgoing_allow; /* addresses and networks inside that may be asked all the same */
    const char *outgoing_ca;         /* PEM file, "" none */
    int64_t outgoing_uid;            /* of the process that asks, where phid starts as root */
    const char *secrets;             /* folder, "" none */
    struct phid_networks networks;     /* named, for context.networks */
    struct phid_list trusted_proxies;  /* whose X-Forwarded-For is believed */
    const char *countries;             /* MaxMind file, "" none */
    struct phid_list apps;          /* origins behind forward authentication */
    struct phid_list gateway_names; /* more names in the gateways listener's certificate */
    const char *gateway_certificates; /* how long they last, as written */
    int64_t gateway_cert_ms;
    const char *signer;             /* socket of a signer that is a service of its own; "" phid forks one */
    const char *signer_folder;      /* that service's folder with the log's key; "" none */
    int64_t signer_uid;             /* the signer's own uid and gid where phid starts as root */

    const char *tickets_url, *tickets_secret; /* the tracker that is asked about tickets, and the name of its secret; "" none */
    int64_t tickets_again_ms; /* how old an answer may be before a vote or claim asks again; -1: always */
    struct guard_notifier_conf commands; /* that channels may run */

    struct phid_list all_hosts;         /* what a Host header may say: of url, hosts and people */
    struct phid_list all_gateway_names; /* of gateways, gateway_names and loopback */
};

/* Reads and checks the file; refuses one that others may write. */
enum phi_rc phid_config_read(struct phi_arena *a, const char *path, struct phid_config *ret,
                             struct phi_err *err);

void phid_config_page(struct phi_buf *out); /* docs/phid.yaml.md */

#endif
