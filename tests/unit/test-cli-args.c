/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "args.h"
#include "registration.h"
#include "unit.h"

/* What stands in for standard input and the terminal. */
typedef struct Person {
        const char *input;  /* what standard input has */
        const char *answer; /* NULL: nobody is there */
        unsigned n_read, n_asked;
        char asked[128]; /* the keys, with blanks between them */
} Person;

static int person_read(char **ret, void *userdata) {
        Person *p = userdata;

        p->n_read++;
        *ret = strdup(p->input);
        return *ret ? 0 : -ENOMEM;
}

static int person_ask(const char *key, char **ret, void *userdata) {
        Person *p = userdata;

        if (!p->answer)
                return -ENOTTY;
        p->n_asked++;
        snprintf(p->asked + strlen(p->asked), sizeof(p->asked) - strlen(p->asked), "%s ", key);
        *ret = strdup(p->answer);
        return *ret ? 0 : -ENOMEM;
}

static const SchemaMessage *message(const char *name) {
        const SchemaMessage *m = schema_message_by_name(schema_service_by_name("lab"), name);

        check(m);
        return m;
}

static int parse(const char *name, Person *person, Arena *a, Value *ret, CodecError *error,
                 const char **words) {
        ArgsInput input = { .read = person_read, .ask = person_ask, .userdata = person };
        size_t n = 0;

        while (words[n])
                n++;
        *error = (CodecError){};
        return args_parse(message(name), (char **) (uintptr_t) words, n, &input, a, ret, error);
}

#define WORDS(...) ((const char *[]){ __VA_ARGS__, NULL })
#define NO_WORDS   ((const char *[]){ NULL })

/* One word of the message that takes values of every kind, whose mandatory field is given beside it. */
static const Value *good(const char *key, const char *word, Arena *a) {
        Person nobody = {};
        CodecError error;
        Value dict;

        if (parse("measure", &nobody, a, &dict, &error, WORDS("count=1", word)) < 0)
                fprintf(stderr, "%s: %s\n", word, error.text);
        check_str(error.text, "");
        check_int(dict.n, 2);
        check(value_dict_get(&dict, key));
        return value_dict_get(&dict, key);
}

static void bad(const char *word, const char *text) {
        Person nobody = {};
        CodecError error;
        Value dict;
        Arena a;

        arena_init(&a);
        check_int(parse("measure", &nobody, &a, &dict, &error, WORDS("count=1", word)), -EINVAL);
        check_str(error.text, text);
        arena_done(&a);
}

static void test_numbers(void) {
        const Value *v;
        Arena a;

        arena_init(&a);
        v = good("offset", "offset=-32768", &a);
        check_int(v->type, VALUE_I16);
        check_int(v->i64, -32768);
        check_int(good("offset", "offset=+0x7fff", &a)->i64, 32767);
        v = good("wide", "wide=18446744073709551615", &a);
        check_int(v->type, VALUE_U64);
        check(v->u64 == UINT64_MAX);
        check(good("wide", "wide=0xFFFFFFFFFFFFFFFF", &a)->u64 == UINT64_MAX);
        check_int(good("wide", "wide=010", &a)->u64, 10); /* not octal */
        v = good("ratio", "ratio=-1.5e3", &a);
        check_int(v->type, VALUE_DOUBLE);
        check(v->number == -1500);
        arena_done(&a);
}

static void test_bad_numbers(void) {
        bad("offset=32768", "offset: is out of range, -32768 to 32767");
        bad("offset=-32769", "offset: is out of range, -32768 to 32767");
        bad("offset=-0x8001", "offset: is out of range, -32768 to 32767");
        bad("offset=1.5", "offset: is no whole number");
        bad("offset=", "offset: is no whole number");
        bad("offset= 1", "offset: is no whole number");
        bad("offset=--1", "offset: is no whole number");
        bad("offset=0x", "offset: is no whole number");
        bad("offset=0x-1", "offset: is no whole number");
        bad("wide=-1", "wide: is out of range, 0 to 18446744073709551615");
        bad("wide=18446744073709551616", "wide: is out of range, 0 to 18446744073709551615");
        bad("ratio=fast", "ratio: is no number");
        bad("ratio=1,5", "ratio: is no number");
        bad("packed.mode=8", "packed.a: missing");
        bad("numbers=1,128", "numbers.1: is out of range, -128 to 127");
}

static void test_scalars(void) {
        const Value *v;
        Arena a;

        arena_init(&a);
        check(good("on", "on=yes", &a)->boolean);
        check(good("on", "on=TRUE", &a)->boolean);
        check(!good("on", "on=0", &a)->boolean);
        check(good("here", "here=1", &a)->boolean);
        check_str(good("colour", "colour=dark-red", &a)->string, "dark_red");
        check_str(good("colour", "colour=dark_red", &a)->string, "dark_red");
        check_str(good("colour", "colour=0xffff", &a)->string, "65535");
        check_str(good("level", "level=low", &a)->string, "low");
        check_str(good("level", "level=-128", &a)->string, "-128");
        check_str(good("name", "name=a=b", &a)->string, "a=b");
        check_str(good("name", "name=", &a)->string, "");
        check_str(good("address", "address=10.1.2.3", &a)->string, "10.1.2.3");
        v = good("data", "data=00fF:0a 0b", &a);
        check_int(v->type, VALUE_BYTES);
        check_bytes(v->bytes, v->n, ((uint8_t[]){ 0x00, 0xFF, 0x0A, 0x0B }), 4);
        check_int(good("data", "data=", &a)->n, 0);
        v = good("name_bytes", "name_bytes=ff00", &a); /* text that is none */
        check_int(v->type, VALUE_BYTES);
        check_bytes(v->bytes, v->n, ((uint8_t[]){ 0xFF, 0x00 }), 2);
        arena_done(&a);

        bad("on=maybe", "on: is neither yes nor no");
        bad("colour=green", "colour: 'green' is none of none, dark_red, blue");
        bad("colour=bleu", "colour: 'bleu' is none of none, dark_red, blue; did you mean blue?");
        bad("colour=dark-rad", "colour: 'dark-rad' is none of none, dark_red, blue; did you mean dark_red?");
        bad("colour=65536", "colour: is out of range");
        bad("colour=-1", "colour: is out of range");
        bad("level=128", "level: is out of range");
        bad("level=-129", "level: is out of range");
        bad("data=0", "data: is no sequence of bytes in hexadecimal");
        bad("data=:00", "data: is no sequence of bytes in hexadecimal");
        bad("data=00:", "data: is no sequence of bytes in hexadecimal");
        bad("data=0g", "data: is no sequence of bytes in hexadecimal");
        bad("name=\xff", "name: is no UTF-8 text");
        bad("name_bytes=0", "name_bytes: is no sequence of bytes in hexadecimal");
}

static void check_flags(const char *word, const char *expected) {
        char text[128] = "";
        const Value *v;
        Arena a;

        arena_init(&a);
        v = good("parts", word, &a);
        check_int(v->type, VALUE_ARRAY);
        check_str(v->signature, "s");
        for (uint32_t i = 0; i < v->n; i++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", v->elements[i].string);
        check_str(text, expected);
        arena_done(&a);
}

static void test_flags(void) {
        check_flags("parts=first", "first ");
        check_flags("parts=third,second_part", "third second_part ");
        check_flags("parts=second-part", "second_part ");
        check_flags("parts=bit7", "bit7 ");
        check_flags("parts=0x23", "first second_part third ");
        check_flags("parts=128", "bit7 ");
        check_flags("parts=", "");
        bad("parts=fourth", "parts: 'fourth' is none of first, second_part, third");
        bad("parts=first,", "parts: '' is none of first, second_part, third");
        bad("parts=second,first",
            "parts: 'second' is none of first, second_part, third; did you mean second_part?");
        bad("parts=bit8", "parts: has a bit out of range, bit0 to bit7");
        bad("parts=256", "parts: is out of range");
}

static void test_nesting(void) {
        Person nobody = {};
        CodecError error;
        const Value *v;
        Value dict;
        Arena a;

        arena_init(&a);
        check_int(parse("measure", &nobody, &a, &dict, &error,
                        WORDS("places.1.scale=2.5", "places.0.x=-7", "places.1.x=8", "places.0.scale=0.5",
                              "places.1.hint=3", "count=0xff")),
                  0);
        check_int(value_dict_get(&dict, "count")->u64, 255);
        v = value_dict_get(&dict, "places");
        check_int(v->n, 2);
        check_str(v->signature, "a{sv}");
        check_int(value_dict_get(&v->elements[0], "x")->i64, -7);
        check(value_dict_get(&v->elements[0], "scale")->number == 0.5);
        check(!value_dict_get(&v->elements[0], "hint")); /* it has a value for "no value" */
        check_int(value_dict_get(&v->elements[1], "hint")->u64, 3);

        v = good("numbers", "numbers=1,-2,0x3", &a);
        check_str(v->signature, "n");
        check_int(v->n, 3);
        check_int(v->elements[1].i64, -2);
        check_int(good("numbers", "numbers.0=-4", &a)->elements[0].i64, -4);
        check_int(good("numbers", "numbers=", &a)->n, 0);
        check_str(good("masks", "masks.0=first,third", &a)->elements[0].elements[1].string, "third");
        v = good("grid", "grid.0=1,2", &a);
        check_str(v->signature, "an");
        check_int(v->elements[0].elements[1].i64, 2);

        /* The count has no key, and is none. */
        check_int(parse("measure", &nobody, &a, &dict, &error,
                        WORDS("count=1", "counted.between=9", "counted.items=1,2")),
                  0);
        check_int(value_dict_get(value_dict_get(&dict, "counted"), "items")->n, 2);
        check_int(parse("measure", &nobody, &a, &dict, &error,
                        WORDS("count=1", "packed.a=1", "packed.mode=7")),
                  0);
        check(value_dict_get(value_dict_get(&dict, "packed"), "a")->boolean);
        check_int(value_dict_get(value_dict_get(&dict, "packed"), "mode")->u64, 7);
        check_int(parse("measure", &nobody, &a, &dict, &error,
                        WORDS("count=1", "packed.a=1", "packed.mode=8")),
                  -EINVAL);
        check_str(error.text, "packed.mode: is out of range, 0 to 7");
        arena_done(&a);

        bad("counted.n=1", "counted.n: no such field");
        bad("colur=blue", "colur: no such field; did you mean colour?");
        bad("places.0.scala=1", "places.0.scala: no such field; did you mean scale?");
        bad("places.0.x=1", "places.0.scale: missing");
        bad("places.1.x=1", "places: has 1 elements, but no places.0");
        bad("places=1", "places: a list whose elements are given one by one, from places.0 on");
        bad("places.0=1", "places.0: a group of fields, which are given one by one as places.0.KEY=VALUE");
        bad("packed=1", "packed: a group of fields, which are given one by one as packed.KEY=VALUE");
        bad("masks=first", "masks: a list whose elements are given one by one, from masks.0 on");
        bad("numbers=1,", "numbers: a list ends with a comma");
        bad("offset.x=1", "offset.x: no such field");
        bad("offset", "argument 2 behind the message is not of the form KEY=VALUE");
        bad("places..x=1", "argument 2 behind the message has an empty key");
        bad("count=1", "count: given twice");
        bad("count.x=1", "count: given as a whole and in parts");
}

static void test_missing(void) {
        Person nobody = {};
        CodecError error;
        Value dict;
        Arena a;

        arena_init(&a);
        check_int(parse("measure", &nobody, &a, &dict, &error, NO_WORDS), -EINVAL);
        check_str(error.text, "count: missing");
        arena_done(&a);
}

static void test_input(void) {
        Person p = { .input = "7" };
        CodecError error;
        Value dict;
        Arena a;

        arena_init(&a);
        check_int(parse("measure", &p, &a, &dict, &error, WORDS("count=-")), 0);
        check_int(value_dict_get(&dict, "count")->u64, 7);
        check_int(p.n_read, 1);

        p = (Person){ .input = "1,2" };
        check_int(parse("measure", &p, &a, &dict, &error, WORDS("count=1", "numbers=-")), 0);
        check_int(value_dict_get(&dict, "numbers")->n, 2);

        /* Read last: not at all, when something else is wrong. */
        p = (Person){ .input = "7" };
        check_int(parse("measure", &p, &a, &dict, &error, WORDS("count=-", "on=maybe")), -EINVAL);
        check_int(p.n_read, 0);
        check_int(parse("measure", &p, &a, &dict, &error, WORDS("count=-", "name=-")), -EINVAL);
        check_str(error.text, "name: standard input is taken by count already");
        check_int(p.n_read, 0);

        p = (Person){ .input = "seven" };
        check_int(parse("measure", &p, &a, &dict, &error, WORDS("count=-")), -EINVAL);
        check_str(error.text, "count: is no whole number");
        arena_done(&a);
}

static void test_secrets(void) {
        Person p = { .answer = "1234" };
        CodecError error;
        Value dict;
        Arena a;

        arena_init(&a);
        check_int(parse("unlock", &p, &a, &dict, &error, WORDS("pin.id=blue")), 0);
        check_str(value_dict_get(value_dict_get(&dict, "pin"), "value")->string, "1234");
        check_int(p.n_asked, 1); /* not for what may be left out */
        check_str(p.asked, "pin.value ");

        /* A group that is nothing but a secret. */
        p = (Person){ .answer = "sesame" };
        check_int(parse("open", &p, &a, &dict, &error, NO_WORDS), 0);
        check_str(value_dict_get(value_dict_get(&dict, "door"), "code")->string, "sesame");
        check_str(p.asked, "door.code ");

        /* Whatever else is missing or wrong is said before anybody is asked. */
        p = (Person){ .answer = "1234" };
        check_int(parse("unlock", &p, &a, &dict, &error, NO_WORDS), -EINVAL);
        check_str(error.text, "pin: missing");
        check_int(parse("unlock", &p, &a, &dict, &error, WORDS("pin.id=pink")), -EINVAL);
        check_int(p.n_asked, 0);

        p = (Person){ .input = "0000" };
        check_int(parse("unlock", &p, &a, &dict, &error, WORDS("pin.id=blue", "pin.value=-")), 0);
        check_str(value_dict_get(value_dict_get(&dict, "pin"), "value")->string, "0000");

        /* Nobody there. */
        check_int(parse("unlock", &p, &a, &dict, &error, WORDS("pin.id=blue")), -EINVAL);
        check(strstr(error.text, "pin.value=-"));

        /* On the command line: refused, and not repeated. */
        check_int(parse("unlock", &p, &a, &dict, &error, WORDS("pin.id=blue", "pin.value=8642")), -EINVAL);
        check(strncmp(error.text, "pin.value: secret", strlen("pin.value: secret")) == 0);
        check(!strstr(error.text, "8642"));
        check_int(parse("unlock", &p, &a, &dict, &error, WORDS("pin.id=blue", "spare=8642")), -EINVAL);
        check(strncmp(error.text, "spare: secret", strlen("spare: secret")) == 0);
        check_int(parse("unlock", &p, &a, &dict, &error, WORDS("pin.id=blue", "keys=0102,03")), -EINVAL);
        check(strncmp(error.text, "keys: secret", strlen("keys: secret")) == 0);

        check_int(parse("open", &p, &a, &dict, &error, WORDS("door.code_bytes=00")), -EINVAL);
        check(strncmp(error.text, "door.code_bytes: secret", strlen("door.code_bytes: secret")) == 0);
        check_int(parse("vault", &p, &a, &dict, &error, WORDS("lock.number=8642")), -EINVAL);
        check(strncmp(error.text, "lock.number: secret", strlen("lock.number: secret")) == 0);

        /* A wrong symbol is not repeated, nor what it is like. */
        p = (Person){ .input = "bleu", .answer = "1234" };
        check_int(parse("unlock", &p, &a, &dict, &error, WORDS("pin.id=blue", "shade=-")), -EINVAL);
        check_str(error.text, "shade: the value is none of none, dark_red, blue");
        p = (Person){ .input = "first,secnd", .answer = "1234" };
        check_int(parse("unlock", &p, &a, &dict, &error, WORDS("pin.id=blue", "marks=-")), -EINVAL);
        check_str(error.text, "marks: the value is none of first, second_part, third");

        /* A list of secrets by standard input. */
        p = (Person){ .input = "0102,03", .answer = "1234" };
        check_int(parse("unlock", &p, &a, &dict, &error, WORDS("pin.id=blue", "keys=-")), 0);
        check_int(value_dict_get(&dict, "keys")->n, 2);
        arena_erase(&a);
}

static void test_registration(void) {
        const Value *v;
        Value dict;
        Arena a;

        arena_init(&a);
        check_int(registration_request(message("register-events"), &a, &dict), 1);
        check_int(dict.n, 2); /* the interval is nobody's guess */
        v = value_dict_get(&dict, "events");
        check_int(v->n, 3);
        check_str(v->elements[2].string, "third");
        check(value_dict_get(&dict, "happened")->boolean);

        check_int(registration_request(message("register-file"), &a, &dict), 0); /* which file? */
        check_int(registration_request(message("set-once"), &a, &dict), 0);
        check_int(registration_request(message("measure"), &a, &dict), 0);
        check(service_has_registration(schema_service_by_name("lab")));
        arena_done(&a);
}

int main(void) {
        test_numbers();
        test_bad_numbers();
        test_scalars();
        test_flags();
        test_nesting();
        test_missing();
        test_input();
        test_secrets();
        test_registration();
        return 0;
}
