"""What may be dropped in, and what is said about the rest."""

import pytest
from demo_site import complaints, file, upload
from django.conf import settings
from django.test import Client

from corral.demo.models import Document
from corral.demo.uploads import shown_name
from corral.tasks.models import Job

TEXT = "Grüße aus Köln: naïve café \u2013 “ok” €\r\nzweite Zeile\rdritte\n"
KEPT = TEXT.replace("\r\n", "\n").replace("\r", "\n")


def test_a_text_leads_to_its_page(client):
    response = upload(client, file("note.txt", "hello world\n"))
    document = Document.objects.get()
    assert response.redirect_chain == [(f"/documents/{document.pk}/", 302)]
    assert (document.name, document.kind, document.text) == ("note.txt", "text", "hello world\n")
    assert not document.is_sample
    assert Job.objects.count() == document.analyses.count() == 7


@pytest.mark.parametrize(
    ("name", "kind"), [("a.csv", ""), ("a.TSV", ""), ("table", "text/csv"), ("a.tab", "")]
)
def test_a_table_is_known_by_name_or_type(client, name, kind):
    upload(client, file(name, "a,b\n1,2\n", kind or "application/octet-stream"))
    assert Document.objects.get().kind == "csv"
    assert "columns" in set(Document.objects.get().analyses.values_list("kind", flat=True))


@pytest.mark.parametrize(
    ("encoding", "mark", "noted"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8-sig", b"", "utf-8"),
        ("utf-16", b"", "utf-16"),
        ("utf-16-be", b"\xfe\xff", "utf-16"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
        ("utf-32", b"", "utf-32"),
        ("cp1252", b"", "cp1252"),
    ],
)
def test_encodings(client, encoding, mark, noted):
    upload(client, file("a.txt", mark + TEXT.encode(encoding)))
    document = Document.objects.get()
    assert (document.text, document.encoding) == (KEPT, noted)


def test_latin_1_where_cp1252_has_no_letter(client):
    upload(client, file("a.txt", ("é\x81" + "plain words " * 50).encode("latin-1")))
    document = Document.objects.get()
    assert document.encoding == "latin-1"
    assert document.text.startswith("é\x81plain")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.pdf", b"%PDF-1.7\nplain looking", "a PDF document"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(40), "a PNG picture"),
        ("a.docx", b"PK\x03\x04" + bytes(40), "a ZIP archive"),
        ("a.csv", b"\x1f\x8b\x08" + bytes(40), "a gzip archive"),
        ("a.txt", b"text with a \0 in it", "is not text"),
        ("a.txt", bytes(range(1, 256)) * 4, "is not text"),
        ("a.txt", b"\xff\xfea\0b\0\x00\xd8", "damaged or cut off"),
        ("a.txt", b"", "is empty"),
        ("a.txt", b" \n\t\r\n ", "is empty"),
        ("a.txt", b"\xef\xbb\xbf", "is empty"),
    ],
)
def test_refused(client, name, content, said):
    response = upload(client, file(name, content))
    assert response.redirect_chain == [("/", 302)]
    (complaint,) = complaints(response)
    assert complaint.startswith(name)
    assert said in complaint
    assert not Document.objects.exists()
    assert not Job.objects.exists()


def test_two_letters_are_no_proof_of_a_program(client):
    upload(client, file("a.txt", "MZ is a text that begins like a program\n"))
    assert Document.objects.count() == 1


def test_the_largest_file_is_taken_and_one_byte_more_is_not(client):
    largest = b"0123456 " * (settings.UPLOAD_BYTES_MAX // 8)
    upload(client, file("large.txt", largest))
    assert Document.objects.get().size_bytes == settings.UPLOAD_BYTES_MAX
    response = upload(client, file("larger.txt", largest + b"."))
    (complaint,) = complaints(response)
    assert complaint.startswith("larger.txt is too large: 8.0\xa0MB")
    assert Document.objects.count() == 1


def test_nothing_chosen(client):
    assert complaints(upload(client)) == ["No file was chosen."]
    assert complaints(client.post("/upload/", {"files": "a text"}, follow=True)) == [
        "No file was chosen."
    ]


def test_several_files_each_get_their_own_answer(client):
    response = upload(
        client, file("a.txt", "a"), file("b.bin", bytes(9)), file("c.csv", "x,y\n1,2")
    )
    assert response.redirect_chain == [("/", 302)]
    assert complaints(response) == [
        "b.bin is not text; only text and CSV files can be analysed.",
        "2 documents are being analysed.",
    ]
    assert set(Document.objects.values_list("name", flat=True)) == {"a.txt", "c.csv"}


def test_too_many_files(client):
    files = [file(f"{number}.txt", "x") for number in range(settings.UPLOAD_COUNT_MAX + 1)]
    assert complaints(upload(client, *files)) == [
        "11 files at once are too many; at most 10 are taken."
    ]
    files = [file(f"{number}.txt", "x") for number in range(3 * settings.UPLOAD_COUNT_MAX)]
    client.raise_request_exception = False
    assert client.post("/upload/", {"files": files}).status_code == 400
    assert not Document.objects.exists()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("/absolute/name.txt", "name.txt"),
        ("..", "unnamed"),
        ("dir/", "unnamed"),
        ("", "unnamed"),
        ("tab\tand\nline.txt", "tabandline.txt"),
        ("turned\u202etxt.exe", "turnedtxt.exe"),
        ("a" * 200 + ".txt", "a" * 59 + "…" + "a" * 56 + ".txt"),
        ("<b>bold</b>.txt", "b>.txt"),
    ],
)
def test_names(given, shown):
    assert shown_name(given) == shown


def test_a_name_is_text_on_every_page(client):
    upload(client, file("<script>alert(1)<&'\".txt", "<img src=x onerror=alert(1)>"))
    page = (
        client.get("/").content.decode()
        + client.get(Document.objects.get().get_absolute_url()).content.decode()
    )
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_form_needs_its_token():
    browser = Client(enforce_csrf_checks=True)
    response = browser.post("/upload/", {"files": [file("a.txt", "a")]})
    assert response.status_code == 403
    assert "came from another site" in response.content.decode()
    token = browser.get("/").context["csrf_token"]
    response = browser.post(
        "/upload/", {"files": [file("a.txt", "a")], "csrfmiddlewaretoken": str(token)}
    )
    assert response.status_code == 302
    assert Document.objects.count() == 1


def test_a_broken_body_is_a_bad_request(client):
    client.raise_request_exception = False
    response = client.post(
        "/upload/", b"--x\r\nnonsense", content_type="multipart/form-data; boundary="
    )
    assert response.status_code == 400
