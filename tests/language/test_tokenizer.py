from transformers import AutoTokenizer

from saccade.language.tokenizer import byte_tokenizer


def test_every_byte_has_its_own_id_and_any_text_comes_back():
    words = byte_tokenizer({"<image>": 257, "</s>": 256})
    text = "".join(map(chr, range(1, 400))) + " é 你好 🙂\n\n"
    ids = words(text)["input_ids"]
    assert ids == list(text.encode())
    assert words.decode(ids) == text
    assert words.eos_token_id == 256
    assert words("<image>")["input_ids"] == [257]
    assert len(words.get_vocab()) == 258


def test_bytes_take_the_ids_that_are_free():
    words = byte_tokenizer({"<image>": 1000, "</s>": 2})
    assert words("\x01\x02\x03")["input_ids"] == [1, 3, 4]
    assert words("a<image></s>")["input_ids"] == [98, 1000, 2]
    assert words.decode(words("naïve")["input_ids"]) == "naïve"


def test_it_can_be_saved(tmp_path):
    words = byte_tokenizer({"<image>": 257, "</s>": 256})
    words.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.get_vocab() == words.get_vocab()
    assert again("x <image> y")["input_ids"] == words("x <image> y")["input_ids"]
    assert (again.eos_token, again.pad_token) == ("</s>", "</s>")
