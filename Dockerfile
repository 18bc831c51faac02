FROM python:3.12-slim

WORKDIR /opt/holdfast
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt . \
    && useradd --system --no-create-home holdfast \
    && install --directory --owner holdfast --mode 700 /var/lib/holdfast

# Away from the sources: what runs is what was installed.
WORKDIR /
USER holdfast
EXPOSE 8000
CMD ["holdfast", "api"]
