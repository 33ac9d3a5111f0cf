// What the first tab shows to someone who has never been here. An address that ends in `#document=ID` names the
// document for the examples.

const named = new URLSearchParams(location.hash.slice(1)).get('document');
const id = /^[0-9a-f-]{36}$/.test(named) ? named : '...';

export const welcome = `# The GraphQL API of coscribe
#
# 1. Who are you? Run one of these; the page takes the
#    token from the answer and uses it from then on.
#
#    mutation {
#      register(email: "ana@example.com", name: "Ana",
#        password: "a long password") { token }
#    }
#    mutation {
#      login(email: "ana@example.com",
#        password: "a long password") { token }
#    }
#
#    A token from elsewhere goes into the field above,
#    or into the address: /graphql#token=...
#
# 2. Make a document:
#
#    mutation {
#      createDocument(title: "Project Alpha") { id }
#    }
#
# 3. Listen to it here, and change it in another tab or
#    browser, as yourself or as someone who may edit it:
#
#    subscription {
#      documentChanged(
#        documentId: "${id}"
#      ) {
#        kind version title content author { name }
#      }
#    }
#
# Ctrl-Enter runs the operation at the cursor. The book
# on the left explains every field.

query {
  documents {
    nodes {
      id
      title
    }
  }
}
`;
